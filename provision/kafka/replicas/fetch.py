"""The state of a cluster, fetched over Kafka's admin API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource
from kafka.errors import KafkaError, UnsupportedVersionError

from provision.kafka.admin import describe_cluster
from provision.kafka.private_api import log_dirs
from provision.kafka.replicas.model import (
    NOBODY,
    Cluster,
    Partition,
    Quorum,
    ReplicaLog,
    TopicPartition,
)

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

Logs = dict[TopicPartition, ReplicaLog]

MIN_ISR = "min.insync.replicas"
FETCH_TIMEOUT = "controller.quorum.fetch.timeout.ms"


def look(admin: KafkaAdminClient) -> Cluster:
    """The current state of the cluster.

    Log folders are read before the metadata. A topic that is created in between then has no log
    yet, and a topic that is deleted in between has a log without an assignment. Both were true.

    Raises:
        KafkaError: the cluster does not answer.
    """
    description = describe_cluster(admin)
    brokers = frozenset(
        broker["broker_id"] for broker in description["brokers"] if not broker.get("is_fenced")
    )
    logs = {
        broker: held for broker in sorted(brokers) if (held := _logs(admin, broker)) is not None
    }
    topics = admin.describe_topics()
    names = [topic["name"] for topic in topics]
    moving = admin.list_partition_reassignments()
    eligible = _eligible(admin, names)
    min_isr = _min_isr(admin, names)
    partitions = [
        _partition(topic["name"], metadata, min_isr, moving, eligible)
        for topic in topics
        for metadata in topic["partitions"]
    ]
    version = tuple(admin.get_broker_version_data(min(brokers)).broker_version)
    quorum = _quorum(admin, min(brokers))
    silent, acting = brokers - set(logs), NOBODY if quorum else description["controller_id"]
    ordered = tuple(sorted(partitions, key=lambda partition: partition.name))
    return Cluster(version, brokers, ordered, logs, quorum, silent, acting)


def _logs(admin: KafkaAdminClient, broker: int) -> Logs | None:
    """The logs in the broker's folders, None when the broker does not answer."""
    try:
        answer = log_dirs(admin, broker)
    except KafkaError:
        return None
    logs: Logs = {}
    for folder in answer["log_dirs"]:
        for topic in folder["topics"]:
            for log in topic["partitions"]:
                if not log["is_future_key"]:
                    name = TopicPartition(topic["name"], log["partition_index"])
                    logs[name] = ReplicaLog(log["partition_size"], log["offset_lag"])
    return logs


def _eligible(admin: KafkaAdminClient, topics: list[str]) -> dict[TopicPartition, tuple[int, ...]]:
    """The eligible leader replicas by partition.

    Empty where the brokers do not support them: before 3.7, and with ZooKeeper.
    """
    eligible: dict[TopicPartition, tuple[int, ...]] = {}
    cursor = None
    try:
        while topics:
            answer = admin.describe_topic_partitions(topics, cursor=cursor)
            for topic in answer["topics"]:
                for metadata in topic["partitions"]:
                    name = TopicPartition(topic["name"], metadata["partition_index"])
                    eligible[name] = tuple(metadata["eligible_leader_replicas"] or ())
            cursor = answer["next_cursor"]
            if not cursor:
                break
    except UnsupportedVersionError:
        return {}
    return eligible


def _min_isr(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """The effective `min.insync.replicas` of each topic."""
    resources = [ConfigResource("TOPIC", topic, [MIN_ISR]) for topic in topics]
    if not resources:
        return {}
    answer = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        topic: int(settings[MIN_ISR]["value"])
        for topic, settings in answer.items()
        if MIN_ISR in settings
    }


def _partition(
    topic: str,
    metadata: Mapping[str, Any],
    min_isr: Mapping[str, int],
    moving: Mapping[Any, Mapping[str, list[int]]],
    eligible: Mapping[TopicPartition, tuple[int, ...]],
) -> Partition:
    name = TopicPartition(topic, metadata["partition_index"])
    move = moving.get(name, {})
    return Partition(
        name,
        metadata["leader_id"],
        tuple(metadata["replica_nodes"]),
        tuple(metadata["isr_nodes"]),
        min_isr.get(topic, 1),
        tuple(metadata["offline_replicas"]),
        tuple(move.get("adding_replicas", ())),
        tuple(move.get("removing_replicas", ())),
        eligible.get(name, ()),
    )


def _quorum(admin: KafkaAdminClient, broker: int) -> Quorum | None:
    """The quorum of KRaft's controllers, None with ZooKeeper."""
    try:
        answer = admin.describe_metadata_quorum()
    except UnsupportedVersionError:
        return None
    (partition,) = (partition for topic in answer["topics"] for partition in topic["partitions"])
    voters = {
        voter["replica_id"]: voter["last_caught_up_timestamp"]
        for voter in partition["current_voters"]
    }
    resources = [ConfigResource("BROKER", str(broker), [FETCH_TIMEOUT])]
    settings = admin.describe_configs(resources, config_filter="all")["broker"][str(broker)]
    return Quorum(partition["leader_id"], voters, int(settings[FETCH_TIMEOUT]["value"]))
