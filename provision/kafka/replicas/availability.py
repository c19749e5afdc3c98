"""The rules by which a broker may go down, as pure functions. They are Strimzi's.

Sources: Strimzi's KafkaAvailability (in-sync replicas), KafkaQuorumCheck (controllers) and
KafkaRoller (the order).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provision.kafka.replicas.model import Cluster, Partition, Quorum, TopicPartition


@dataclass(frozen=True)
class GateRefusal:
    """Why a broker may not go down: the rule, the partition or `controllers`, the consequence."""

    rule: str
    about: str
    why: str

    def __str__(self) -> str:
        return f"{self.about}: {self.why}"


@dataclass(frozen=True)
class GateVerdict:
    """The verdict for a broker; `stalled` are partitions without a spare replica.

    These partitions stall while the broker is down, and waiting does not help.
    """

    broker: int
    refusals: tuple[GateRefusal, ...]
    stalled: tuple[TopicPartition, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether the broker may go down: no rule refuses it."""
        return not self.refusals


def gate(cluster: Cluster, broker: int) -> GateVerdict:
    """Whether `broker` may go down now without stalling `acks=all` producers or the controllers."""
    held = [partition for partition in cluster.partitions if broker in partition.replicas]
    refusals = [refusal for partition in held for refusal in _availability(partition, broker)]
    if cluster.quorum and broker in cluster.quorum.voters:
        refusals += _quorum(cluster.quorum, broker)
    stalled = [
        partition.name
        for partition in held
        if broker in partition.isr and len(partition.replicas) <= partition.min_isr
    ]
    return GateVerdict(broker, tuple(refusals), tuple(stalled))


def _availability(partition: Partition, broker: int) -> Iterator[GateRefusal]:
    """KafkaAvailability.wouldAffectAvailability for a partition with a replica on the broker.

    A partition with no more replicas than `min.insync.replicas` is left out: it would refuse every
    restart, however long one waits.
    """
    if len(partition.replicas) <= partition.min_isr:
        return
    name, count = str(partition.name), len(partition.isr)
    in_sync = f"{count} of {len(partition.replicas)} in sync"
    counts = f"{in_sync}, min.insync.replicas {partition.min_isr}"
    if count < partition.min_isr:
        role = "is one of them" if broker in partition.isr else "may be the first to catch up"
        yield GateRefusal(
            "below-min-isr", name, f"{counts}: too few already, and broker {broker} {role}"
        )
    elif count == partition.min_isr and broker in partition.isr:
        yield GateRefusal("at-min-isr", name, f"{counts}: acks=all would stall")


def _quorum(quorum: Quorum, broker: int) -> Iterator[GateRefusal]:
    """KafkaQuorumCheck.isQuorumHealthyWithoutNode: a majority has caught up without the broker.

    A voter has caught up if it fetched up to the leader's log end less than
    `controller.quorum.fetch.timeout.ms` before the leader. A lone controller may go down, since
    waiting would not help. Of two controllers the other must have caught up.
    """
    count = len(quorum.voters)
    if quorum.leader not in quorum.voters:
        yield GateRefusal("no-quorum", "controllers", "they have no leader")
        return
    if count == 1:
        return
    needed = 1 if count == 2 else (count + 2) // 2
    others = sum(voter != broker and caught_up(quorum, voter) for voter in quorum.voters)
    if others < needed:
        reason = (
            f"{others} of {count} have caught up, broker {broker} not counted; "
            f"a majority is {needed}"
        )
        yield GateRefusal("quorum", "controllers", reason)


def caught_up(quorum: Quorum, voter: int) -> bool:
    """Whether a voter caught up with the leader less than the fetch time-out before the leader."""
    at = quorum.voters[voter]
    return at >= 0 and (
        voter == quorum.leader or quorum.voters[quorum.leader] - at < quorum.fetch_timeout
    )


@dataclass(frozen=True)
class NodeRole:
    """A node of a roll: its id, whether it is a controller, whether it is ready to serve."""

    id: int
    controller: bool
    ready: bool


def roll_order(nodes: Iterable[NodeRole], active: int) -> tuple[int, ...]:
    """The ids in the order of a roll: controllers first, then brokers.

    Within both groups unready nodes come first, and the active controller comes last. Brokers
    become ready only if the controllers have a quorum. An unready node that is left for later costs
    redundancy during every restart before it. Each restart of the active controller causes an
    election. With ZooKeeper no node is a controller, and the broker that acts as the controller
    comes last.
    """

    def key(node: NodeRole) -> tuple[bool, bool, bool, int]:
        return not node.controller, node.ready, node.id == active, node.id

    return tuple(node.id for node in sorted(nodes, key=key))
