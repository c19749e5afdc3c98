"""The safety rules of a roll: may this node stop, does it serve again, which is next? Pure.

A roll is stricter than the gate. The gate lets a broker stop while another is down, if enough
replicas are in sync. A roll requires that no other node is down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from provision.inventory.kafka import KafkaNode
from provision.kafka.replicas.availability import NodeRole, caught_up, gate, roll_order
from provision.kafka.replicas.model import NOBODY, Cluster, Partition

MAX_NAMED = 3
"""Partitions that a line names at most."""


def obstacles(cluster: Cluster, nodes: Collection[KafkaNode], node: KafkaNode) -> tuple[str, ...]:
    """Return the reasons against stopping `node` now, as sentences; empty if it may stop.

    `nodes` are all nodes of the inventory. A problem of `node` itself is no reason: a restart may
    fix it.
    """
    others = [other for other in nodes if other.id != node.id]
    reasons = [reason for other in others if (reason := not_ready(cluster, other))]
    reasons += _incomplete_partitions(cluster, node.id)
    reasons += _gate_refusals(cluster, node.id)
    return tuple(dict.fromkeys(reasons))


def not_ready(cluster: Cluster, node: KafkaNode) -> str:
    """Return why a node does not serve; empty if it does.

    A broker serves when it is registered, not fenced, and answers. It registers only after the
    recovery of its logs (BrokerServer and LogManager of 3.9 and 4.x). A broker that has just died
    may still be registered. A controller serves when it has caught up with the active controller.
    """
    if node.broker and node.id not in cluster.brokers:
        return f"broker {node.id} is not in the cluster"
    if node.broker and node.id in cluster.silent:
        return f"broker {node.id} does not answer"
    quorum = cluster.quorum
    if node.controller and quorum and not (node.id in quorum.voters and caught_up(quorum, node.id)):
        return f"controller {node.id} has not caught up with the active controller"
    return ""


def not_in_sync(cluster: Cluster, broker: int) -> str:
    """Return a sentence on the broker's replicas that are not in sync; empty if all are."""
    behind = [
        partition
        for partition in cluster.partitions
        if broker in partition.replicas
        and broker not in partition.adding
        and broker not in partition.isr
    ]
    return f"{_partition_names(behind)}: broker {broker} is not in sync" if behind else ""


def next_node(cluster: Cluster, nodes: Collection[KafkaNode]) -> KafkaNode:
    """Return the next node of a roll.

    Controllers come first, then nodes that do not serve; the active controller is last.
    """
    by_id = {node.id: node for node in nodes}
    candidates = [
        NodeRole(node.id, node.controller, not not_ready(cluster, node)) for node in nodes
    ]
    return by_id[roll_order(candidates, cluster.controller)[0]]


def order(cluster: Cluster, nodes: Collection[KafkaNode]) -> tuple[KafkaNode, ...]:
    """Return `nodes` in the order of a roll, if the cluster does not change during it."""
    waiting, ordered = list(nodes), []
    while waiting:
        ordered.append(next_node(cluster, waiting))
        waiting.remove(ordered[-1])
    return tuple(ordered)


def _incomplete_partitions(cluster: Cluster, without: int) -> Iterator[str]:
    """Yield sentences on partitions that lack a leader or an in-sync replica.

    The replicas of the broker `without` do not count. Nor do replicas that a reassignment is still
    adding (ReplicaManager.UnderReplicatedPartitions).
    """
    leaderless = [
        partition
        for partition in cluster.partitions
        if partition.leader == NOBODY and set(partition.replicas) != {without}
    ]
    if leaderless:
        yield f"{_partition_names(leaderless)}: without a leader"
    lagging = {
        partition: brokers
        for partition in cluster.partitions
        if partition not in leaderless
        and (
            brokers := set(partition.replicas)
            - set(partition.adding)
            - set(partition.isr)
            - {without}
        )
    }
    if lagging:
        named = ", ".join(str(broker) for broker in sorted(set().union(*lagging.values())))
        yield f"{_partition_names(list(lagging))}: replicas not in sync, on broker {named}"


def _gate_refusals(cluster: Cluster, broker: int) -> Iterator[str]:
    """Yield the gate's refusals; partitions that one rule refuses share a sentence."""
    by_rule: dict[str, list[str]] = {}
    for refusal in gate(cluster, broker).refusals:
        if refusal.about == "controllers":
            yield str(refusal)
        else:
            by_rule.setdefault(refusal.why, []).append(refusal.about)
    yield from (f"{_first_names(about)}: {why}" for why, about in by_rule.items())


def _partition_names(partitions: Sequence[Partition]) -> str:
    return _first_names([str(partition.name) for partition in partitions])


def _first_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
