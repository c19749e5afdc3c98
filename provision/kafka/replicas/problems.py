"""What is wrong with the partitions of a cluster, worst first. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from provision.kafka.replicas.model import NOBODY, Cluster, Partition


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble, what has it (partitions, brokers), and what it is in words."""

    kind: str
    who: tuple[str, ...]
    what: str


def _leaderless(partition: Partition) -> bool:
    return partition.leader == NOBODY


def _below_min_isr(partition: Partition) -> bool:
    return len(partition.isr) < partition.min_isr


def _not_whole(partition: Partition) -> bool:
    """Under-replicated as ReplicaManager counts it; what a reassignment still adds is not expected to be in sync."""
    return bool(set(partition.replicas) - set(partition.adding) - set(partition.isr))


_KINDS: tuple[tuple[str, str, Callable[[Partition], bool]], ...] = (
    ("leaderless", "without a leader: neither written nor read", _leaderless),
    ("below-min-isr", "below min.insync.replicas: acks=all fails", _below_min_isr),
    ("not-whole", "with replicas that are not in sync", _not_whole),
)


def troubles(cluster: Cluster) -> tuple[Trouble, ...]:
    """Brokers that are silent, and each partition under the worst kind of trouble that it has."""
    found: dict[str, list[str]] = {}
    for partition in cluster.partitions:
        kind = next((kind for kind, _, has in _KINDS if has(partition)), None)
        if kind:
            found.setdefault(kind, []).append(str(partition.name))
    silent = tuple(f"broker {broker}" for broker in sorted(cluster.silent))
    found_silent = (
        (Trouble("silent", silent, "does not answer, though it counts as alive still"),)
        if silent
        else ()
    )
    return found_silent + tuple(
        Trouble(kind, tuple(found[kind]), what) for kind, what, _ in _KINDS if kind in found
    )
