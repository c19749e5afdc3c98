"""The problems of a cluster's partitions, the worst first. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.kafka.replicas.model import NOBODY, Cluster, Partition


@dataclass(frozen=True)
class Trouble:
    """A kind of problem, the names of the partitions or brokers that have it, and its text."""

    kind: str
    names: tuple[str, ...]
    text: str


def _leaderless(partition: Partition) -> bool:
    return partition.leader == NOBODY


def _below_min_isr(partition: Partition) -> bool:
    return len(partition.isr) < partition.min_isr


def _not_whole(partition: Partition) -> bool:
    """Whether the partition is under-replicated, by the rule of ReplicaManager.

    A replica that a reassignment is adding need not be in sync yet.
    """
    return bool(set(partition.replicas) - set(partition.adding) - set(partition.isr))


_KINDS: tuple[tuple[str, str, Callable[[Partition], bool]], ...] = (
    ("leaderless", "without a leader: clients can neither write nor read", _leaderless),
    ("below-min-isr", "below min.insync.replicas: acks=all fails", _below_min_isr),
    ("not-whole", "with replicas that are not in sync", _not_whole),
)


def troubles(cluster: Cluster) -> tuple[Trouble, ...]:
    """The silent brokers, and each partition with its worst problem."""
    names_by_kind: dict[str, list[str]] = {}
    for partition in cluster.partitions:
        kind = next((kind for kind, _, applies in _KINDS if applies(partition)), None)
        if kind:
            names_by_kind.setdefault(kind, []).append(str(partition.name))
    troubles = [
        Trouble(kind, tuple(names_by_kind[kind]), text)
        for kind, text, _ in _KINDS
        if kind in names_by_kind
    ]
    if cluster.silent:
        names = tuple(f"broker {broker}" for broker in sorted(cluster.silent))
        troubles.insert(0, Trouble("silent", names, "does not answer, but still counts as alive"))
    return tuple(troubles)
