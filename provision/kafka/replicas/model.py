"""The state of a Kafka cluster as values: brokers, partitions, logs, the controllers' quorum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NOBODY = -1
"""The id that Kafka reports where there is no leader."""


class TopicPartition(NamedTuple):
    """A partition of a topic; its text is Kafka's: `orders-0`."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Replica(NamedTuple):
    """A replica of a partition on a broker."""

    topic: str
    partition: int
    broker: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition} on broker {self.broker}"


@dataclass(frozen=True)
class ReplicaLog:
    """A replica's log: its size in bytes, and its lag behind the leader in records."""

    size: int
    lag: int = 0


@dataclass(frozen=True)
class Partition:
    """A partition's assignment and in-sync replicas; the lists hold broker ids.

    `offline` are replicas on dead brokers and in failed log folders. `adding` and `removing` belong
    to a reassignment in progress. `eligible` replicas left the ISR and may still be elected (ELR,
    KIP-966).
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
    """KRaft's controllers: their leader, and the time at which each voter last caught up.

    Times are ms since the epoch, -1 where unknown. `fetch_timeout` is
    `controller.quorum.fetch.timeout.ms`.
    """

    leader: int
    voters: Mapping[int, int]
    fetch_timeout: int = 2000


@dataclass(frozen=True)
class Cluster:
    """The state of a cluster at one time.

    With ZooKeeper `quorum` is None, and `acting` is the broker that acts as the controller. `logs`
    has an entry for each broker whose log folders are known. `silent` brokers count as alive, but
    their log folders could not be read.
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
