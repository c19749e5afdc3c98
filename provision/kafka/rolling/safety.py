"""May this node go down now, is it back, and which is next? Pure.

A roll asks more than the gate does: the gate lets a broker go while another is missing, if enough remain in sync. Here
nothing else may be missing, so that what a roll takes away is always the only thing that is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from provision.inventory.kafka import KafkaNode
from provision.kafka.replicas.availability import NodeRole, caught_up, gate, roll_order
from provision.kafka.replicas.model import NOBODY, Cluster, Partition

MAX_NAMED = 3
"""How many partitions a line names."""


def obstacles(cluster: Cluster, nodes: Collection[KafkaNode], node: KafkaNode) -> tuple[str, ...]:
    """What speaks against taking `node` down now, in words; empty where it may go.

    `nodes` are all that the inventory names. What is missing because of the node itself is no obstacle: restarting it
    may be what mends that.
    """
    others = [each for each in nodes if each.id != node.id]
    found = [why for each in others if (why := not_ready(cluster, each))]
    found += _not_whole(cluster, node.id)
    found += _refused(cluster, node.id)
    return tuple(dict.fromkeys(found))


def not_ready(cluster: Cluster, node: KafkaNode) -> str:
    """Why a node does not serve; empty where it does.

    A broker serves when it is registered and not fenced, and answers itself: it registers only once its logs are
    recovered (BrokerServer and LogManager of 3.9 and 4.x), and one that has just died may be registered still. A
    controller serves when it has caught up with the active one.
    """
    if node.broker and node.id not in cluster.brokers:
        return f"broker {node.id} is not in the cluster"
    if node.broker and node.id in cluster.silent:
        return f"broker {node.id} does not answer"
    quorum = cluster.quorum
    if node.controller and quorum and not (node.id in quorum.voters and caught_up(quorum, node.id)):
        return f"controller {node.id} has not caught up with the active one"
    return ""


def not_in_sync(cluster: Cluster, broker: int) -> str:
    """Which of the broker's own partitions it is not in sync with, in words; empty where it is with all."""
    behind = [
        each
        for each in cluster.partitions
        if broker in each.replicas and broker not in each.adding and broker not in each.isr
    ]
    return f"{_named(behind)}: broker {broker} is not in sync" if behind else ""


def next_node(cluster: Cluster, nodes: Collection[KafkaNode]) -> KafkaNode:
    """Which of `nodes` a roll takes next: controllers first, the unready before the ready, the active one last."""
    by_id = {node.id: node for node in nodes}
    candidates = [
        NodeRole(node.id, node.controller, not not_ready(cluster, node)) for node in nodes
    ]
    return by_id[roll_order(candidates, cluster.controller)[0]]


def order(cluster: Cluster, nodes: Collection[KafkaNode]) -> tuple[KafkaNode, ...]:
    """All of `nodes` as they would be taken, were nothing to change meanwhile."""
    left, found = list(nodes), []
    while left:
        found.append(next_node(cluster, left))
        left.remove(found[-1])
    return tuple(found)


def _not_whole(cluster: Cluster, without: int) -> Iterator[str]:
    """Partitions that lack a leader or a replica in sync, other than for the broker `without`.

    What a reassignment is still adding is not expected to be in sync (ReplicaManager.UnderReplicatedPartitions).
    """
    leaderless = [
        each
        for each in cluster.partitions
        if each.leader == NOBODY and set(each.replicas) != {without}
    ]
    if leaderless:
        yield f"{_named(leaderless)}: without a leader"
    behind = [
        each
        for each in cluster.partitions
        if each not in leaderless
        and set(each.replicas) - set(each.adding) - set(each.isr) - {without}
    ]
    if behind:
        away = sorted(
            {
                id_
                for each in behind
                for id_ in set(each.replicas) - set(each.adding) - set(each.isr)
            }
        )
        brokers = ", ".join(str(id_) for id_ in away if id_ != without)
        yield f"{_named(behind)}: replicas not in sync, on broker {brokers}"


def _refused(cluster: Cluster, broker: int) -> Iterator[str]:
    """The gate's refusals: those of one rule that are about partitions share a line."""
    by_rule: dict[str, list[str]] = {}
    for refusal in gate(cluster, broker).refusals:
        if refusal.about == "controllers":
            yield str(refusal)
        else:
            by_rule.setdefault(refusal.why, []).append(refusal.about)
    yield from (f"{_some(about)}: {why}" for why, about in by_rule.items())


def _named(partitions: Sequence[Partition]) -> str:
    return _some([str(each.name) for each in partitions])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
