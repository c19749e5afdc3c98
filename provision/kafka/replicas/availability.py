"""May a broker go down? The rules by which Strimzi rolls a cluster, as pure functions.

Sources: Strimzi's KafkaAvailability (in-sync replicas), KafkaQuorumCheck (controllers) and KafkaRoller (the order).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.kafka.replicas.model import Cluster, Partition, Quorum, TopicPartition


@dataclass(frozen=True)
class GateRefusal:
    """Why a broker may not go down: the rule, what it is about, what would happen."""

    rule: str
    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


@dataclass(frozen=True)
class GateVerdict:
    """The answer for one broker; `stalled` are partitions that stall without it however long one waits."""

    broker: int
    refusals: tuple[GateRefusal, ...]
    stalled: tuple[TopicPartition, ...] = ()

    @property
    def may(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals


def gate(cluster: Cluster, broker: int) -> GateVerdict:
    """Whether `broker` may go down now without stalling `acks=all` producers or the controllers, and if not, why."""
    held = [each for each in cluster.partitions if broker in each.replicas]
    refusals = [refusal for each in held for refusal in _availability(each, broker)]
    if cluster.quorum and broker in cluster.quorum.voters:
        refusals += _quorum(cluster.quorum, broker)
    stalled = [
        each.name for each in held if broker in each.isr and len(each.replicas) <= each.min_isr
    ]
    return GateVerdict(broker, tuple(refusals), tuple(stalled))


def _availability(partition: Partition, broker: int) -> Iterator[GateRefusal]:
    """KafkaAvailability.wouldAffectAvailability, for one partition that has a replica on the broker.

    Where there are no more replicas than `min.insync.replicas` no waiting would ever allow it: such are passed over.
    """
    if len(partition.replicas) <= partition.min_isr:
        return
    count = f"{len(partition.isr)} of {len(partition.replicas)} in sync"
    have = f"{count}, min.insync.replicas {partition.min_isr}"
    if len(partition.isr) < partition.min_isr:
        role = "is one of them" if broker in partition.isr else "may be the first to catch up"
        yield GateRefusal(
            "below-min-isr",
            str(partition.name),
            f"{have}: too few already, and broker {broker} {role}",
        )
    elif len(partition.isr) == partition.min_isr and broker in partition.isr:
        yield GateRefusal("at-min-isr", str(partition.name), f"{have}: acks=all would stall")


def _quorum(quorum: Quorum, broker: int) -> Iterator[GateRefusal]:
    """KafkaQuorumCheck.isQuorumHealthyWithoutNode: a majority of the voters has caught up, the broker not counted.

    A voter has caught up when it was level with the leader less than `controller.quorum.fetch.timeout.ms` before it. A
    lone controller may go (nothing could be waited for); of two, the other one must have caught up.
    """
    count = len(quorum.voters)
    if quorum.leader not in quorum.voters:
        yield GateRefusal("no-quorum", "controllers", "no controller leads them")
        return
    if count == 1:
        return
    needed = 1 if count == 2 else (count + 2) // 2
    level = [voter for voter in quorum.voters if voter != broker and caught_up(quorum, voter)]
    if len(level) < needed:
        why = f"{len(level)} of {count} have caught up, broker {broker} not counted; a majority is {needed}"
        yield GateRefusal("quorum", "controllers", why)


def caught_up(quorum: Quorum, voter: int) -> bool:
    """Whether a voter was level with the leader less than the fetch time-out before it."""
    at = quorum.voters[voter]
    return at >= 0 and (
        voter == quorum.leader or quorum.voters[quorum.leader] - at < quorum.fetch_timeout
    )


@dataclass(frozen=True)
class NodeRole:
    """One node of a roll: its id, whether it is a controller, whether it is ready to serve."""

    id: int
    controller: bool
    ready: bool


def roll_order(nodes: Iterable[NodeRole], active: int) -> tuple[int, ...]:
    """The ids in the order of a roll: controllers first; among equals the unready first and the active controller last.

    Brokers become ready only where the controllers have a quorum; an unready node that is left for later costs
    redundancy during every restart before it; each restart of the active controller is an election. With ZooKeeper no
    node is a controller of its own, and the broker that acts as one comes last of all.
    """

    def key(node: NodeRole) -> tuple[bool, bool, bool, int]:
        return not node.controller, node.ready, node.id == active, node.id

    return tuple(node.id for node in sorted(nodes, key=key))
