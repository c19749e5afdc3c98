"""The topics of an inventory that the cluster does not have yet. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from provision.inventory.kafka import KafkaCluster
from provision.inventory.kafka_topics import inherited, written
from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.model import cleaner, topic


def planned_topic(cluster: KafkaCluster, name: str, room: Mapping[int, int | None]) -> TopicInfo:
    """The topic of this name as the inventory describes it.

    `room` has the free bytes on each broker. Kafka spreads replicas evenly
    (AdminUtils.assignReplicasToBrokers, StripedReplicaPlacer), so that each broker gets its share,
    rounded up.

    Raises:
        KeyError: the inventory has no topic of this name.
        HactlError: the value of a parameter has the wrong type.
    """
    model = cluster.model
    described = model.topics[name]
    overrides = {key: written(value) for key, value in described.config.items()}
    replicas = described.partitions * (described.replicas or cluster.replication)
    share = math.ceil(replicas / len(cluster.brokers))
    properties = {key: written(value) for key, value in model.properties.items()}
    return TopicInfo(
        topic(name, {**inherited(model.properties), **overrides}),
        cleaner(properties, model.numbers),
        described.partitions,
        {node.id: share for node in sorted(cluster.brokers, key=lambda node: node.id)},
        room,
        overrides,
    )
