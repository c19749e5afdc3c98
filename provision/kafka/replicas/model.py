"""What a Kafka cluster says of itself, as values: brokers, partitions, logs, the quorum of controllers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NOBODY = -1
"""The id that Kafka gives where there is no leader."""


class TopicPartition(NamedTuple):
    """One partition of a topic, written as Kafka writes it: `orders-0`."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Replica(NamedTuple):
    """One partition on one broker."""

    topic: str
    partition: int
    broker: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition} on broker {self.broker}"


@dataclass(frozen=True)
class ReplicaLog:
    """What a broker's log folders hold of a partition: its bytes, and how many records it is behind its leader."""

    size: int
    lag: int = 0


@dataclass(frozen=True)
class Partition:
    """A partition's assignment and who keeps up; the lists hold broker ids.

    `offline` are replicas on dead brokers and in failed log folders; `adding` and `removing` come from a reassignment
    under way; `eligible` left the ISR and may still be elected (ELR, KIP-966).
    """

    name: TopicPartition
    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    min_isr: int = 1
    offline: tuple[int, ...] = ()
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    eligible: tuple[int, ...] = ()


@dataclass(frozen=True)
class Quorum:
    """KRaft's controllers: when each voter had last caught up (ms since the epoch, -1 unknown), who leads them.

    `fetch_timeout` is `controller.quorum.fetch.timeout.ms`.
    """

    leader: int
    voters: Mapping[int, int]
    fetch_timeout: int = 2000


@dataclass(frozen=True)
class Cluster:
    """One look; without KRaft `quorum` is None, and `acting` the broker that acts as the controller.

    `logs` has an entry for each broker whose log folders are known; those of `silent` brokers, which count as alive,
    could not be read.
    """

    version: tuple[int, ...]
    brokers: frozenset[int]
    partitions: tuple[Partition, ...]
    logs: Mapping[int, Mapping[TopicPartition, ReplicaLog]] = field(default_factory=dict)
    quorum: Quorum | None = None
    silent: frozenset[int] = frozenset()
    acting: int = NOBODY

    @property
    def controller(self) -> int:
        """The active controller."""
        return self.quorum.leader if self.quorum else self.acting
