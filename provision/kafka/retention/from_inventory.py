"""Topics as an inventory describes them, before the cluster has them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from provision.inventory.kafka import KafkaCluster
from provision.inventory.kafka_topics import inherited, written
from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.model import cleaner, topic


def planned_topic(cluster: KafkaCluster, name: str, room: Mapping[int, int | None]) -> TopicInfo:
    """The topic of this name as it will be; `room` are the bytes that are free on each broker.

    Kafka spreads replicas evenly (AdminUtils.assignReplicasToBrokers, StripedReplicaPlacer), so that each broker gets
    its share, rounded up.

    Raises:
        KeyError: the inventory has no such topic.
        HactlError: a parameter that is none of its kind.
    """
    model = cluster.model
    about = model.topics[name]
    own = {key: written(value) for key, value in about.config.items()}
    replicas = about.partitions * (about.replicas or cluster.replication)
    share = math.ceil(replicas / len(cluster.brokers))
    properties = {key: written(value) for key, value in model.properties.items()}
    return TopicInfo(
        topic(name, {**inherited(model.properties), **own}),
        cleaner(properties, model.numbers),
        about.partitions,
        {node.id: share for node in sorted(cluster.brokers, key=lambda node: node.id)},
        room,
        own,
    )
