"""The state of a replica, derived from metadata, reassignments, live brokers and log folders. Pure.

KRaft has no state machine for replicas, and a ZooKeeper controller does not publish its states. In
both cases the state follows from the cluster's answers. `tests/kafka` compares it with the log of a
ZooKeeper controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.kafka.replicas.model import Cluster, Partition, Replica, TopicPartition
from provision.kafka.replicas.state_machine import State


def derive(partition: Partition | None, broker: int, alive: bool, has_log: bool | None) -> State:
    """The state of the partition's replica on `broker`; `partition` is None once its topic is gone.

    `has_log` says whether the broker's folders hold the replica's log; None is unknown.

    A replica that is being added stays new until all added replicas have caught up
    (`KafkaController.onPartitionReassignment`). A replica that is no longer assigned is being
    deleted for as long as its log exists. A dead broker cannot delete it, and the controller keeps
    the replica offline until the broker is back
    (`TopicDeletionManager.retryDeletionForIneligibleReplicas`). A deletion that succeeded, or that
    the controller postponed, leaves no sign.
    """
    if partition is None or broker not in partition.replicas:
        if not has_log:
            return State.NON_EXISTENT
        return State.DELETION_STARTED if alive else State.OFFLINE
    if not alive or broker in partition.offline:
        return State.OFFLINE
    if broker in partition.adding or (has_log is False and broker not in partition.isr):
        return State.NEW
    return State.ONLINE


def states(cluster: Cluster) -> dict[Replica, State]:
    """The state of every replica that is assigned or has a log, by topic, partition and broker."""
    partitions = {partition.name: partition for partition in cluster.partitions}
    assigned = {
        Replica(*partition.name, broker)
        for partition in cluster.partitions
        for broker in partition.replicas
    }
    held = {Replica(*name, broker) for broker, logs in cluster.logs.items() for name in logs}
    return {replica: _state(cluster, partitions, replica) for replica in sorted(assigned | held)}


def _state(
    cluster: Cluster, partitions: Mapping[TopicPartition, Partition], replica: Replica
) -> State:
    name = TopicPartition(replica.topic, replica.partition)
    logs = cluster.logs.get(replica.broker)
    has_log = None if logs is None else name in logs
    return derive(partitions.get(name), replica.broker, replica.broker in cluster.brokers, has_log)


def remembered(before: Cluster, now: Cluster) -> Cluster:
    """`now`, with the logs from `before` for the brokers that did not answer."""
    return replace(now, logs={**before.logs, **now.logs})
