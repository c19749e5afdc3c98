"""A replica's state, told from metadata, reassignments, live brokers and log folders. Pure.

KRaft has no machine that drives replicas, and a ZooKeeper controller keeps its own to itself: both ways the state
follows from what the cluster answers. `tests/kafka` compares it with what a ZooKeeper controller writes into its log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.kafka.replicas.model import Cluster, Partition, Replica, TopicPartition
from provision.kafka.replicas.state_machine import State


def derive(partition: Partition | None, broker: int, alive: bool, has_log: bool | None) -> State:
    """The state of the partition's replica on `broker`; `partition` is None once its topic is gone.

    `has_log` says whether the broker's folders hold it, as far as known (None: nobody could tell). A replica that is
    being added stays new until all that are have caught up (`KafkaController.onPartitionReassignment`). One that is no
    longer assigned is being deleted for as long as its log is there. A dead broker cannot do that, and the controller
    keeps its replica offline until it is back (`TopicDeletionManager.retryDeletionForIneligibleReplicas`). That a
    deletion succeeded or was given up leaves nothing to see.
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
    """The state of every replica that is assigned or still has a log, in the order of topic, partition, broker."""
    partitions = {each.name: each for each in cluster.partitions}
    assigned = {
        Replica(*each.name, broker) for each in cluster.partitions for broker in each.replicas
    }
    held = {Replica(*name, broker) for broker, logs in cluster.logs.items() for name in logs}
    return {each: _state(cluster, partitions, each) for each in sorted(assigned | held)}


def _state(
    cluster: Cluster, partitions: Mapping[TopicPartition, Partition], replica: Replica
) -> State:
    name = TopicPartition(replica.topic, replica.partition)
    logs = cluster.logs.get(replica.broker)
    has_log = None if logs is None else name in logs
    return derive(partitions.get(name), replica.broker, replica.broker in cluster.brokers, has_log)


def remembered(before: Cluster, now: Cluster) -> Cluster:
    """`now` with the logs, last seen in `before`, of the brokers that could not be asked for theirs."""
    return replace(now, logs={**before.logs, **now.logs})
