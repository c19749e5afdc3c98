"""One look at a cluster over Kafka's admin API."""

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
    """What the cluster says now.

    Log folders are read before the metadata: a topic that is created in between then has no log yet, which is true,
    and one that is deleted in between has one that is not assigned any more, which is true as well.

    Raises:
        KafkaError: the cluster does not answer.
    """
    about = describe_cluster(admin)
    brokers = frozenset(each["broker_id"] for each in about["brokers"] if not each.get("is_fenced"))
    logs = {
        broker: found for broker in sorted(brokers) if (found := _logs(admin, broker)) is not None
    }
    topics = admin.describe_topics()
    names = [topic["name"] for topic in topics]
    moving = admin.list_partition_reassignments()
    eligible = _eligible(admin, names)
    min_isr = _min_isr(admin, names)
    partitions = [
        _partition(topic["name"], each, min_isr, moving, eligible)
        for topic in topics
        for each in topic["partitions"]
    ]
    version = tuple(admin.get_broker_version_data(min(brokers)).broker_version)
    quorum = _quorum(admin, min(brokers))
    silent, acting = brokers - set(logs), NOBODY if quorum else about["controller_id"]
    return Cluster(
        version, brokers, tuple(sorted(partitions, key=_name)), logs, quorum, silent, acting
    )


def _name(partition: Partition) -> TopicPartition:
    return partition.name


def _logs(admin: KafkaAdminClient, broker: int) -> Logs | None:
    """What the broker's log folders hold, None when it does not answer."""
    try:
        answer = log_dirs(admin, broker)
    except KafkaError:
        return None
    found: Logs = {}
    for folder in answer["log_dirs"]:
        for topic in folder["topics"]:
            for each in topic["partitions"]:
                if not each["is_future_key"]:
                    name = TopicPartition(topic["name"], each["partition_index"])
                    found[name] = ReplicaLog(each["partition_size"], each["offset_lag"])
    return found


def _eligible(admin: KafkaAdminClient, topics: list[str]) -> dict[TopicPartition, tuple[int, ...]]:
    """The eligible leader replicas; none where the brokers do not know them (before 3.7, and with ZooKeeper)."""
    found: dict[TopicPartition, tuple[int, ...]] = {}
    cursor = None
    try:
        while topics:
            answer = admin.describe_topic_partitions(topics, cursor=cursor)
            for topic in answer["topics"]:
                for each in topic["partitions"]:
                    name = TopicPartition(topic["name"], each["partition_index"])
                    found[name] = tuple(each["eligible_leader_replicas"] or ())
            cursor = answer["next_cursor"]
            if not cursor:
                break
    except UnsupportedVersionError:
        return {}
    return found


def _min_isr(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, int]:
    """`min.insync.replicas` of each topic, as it is in force."""
    wanted = [ConfigResource("TOPIC", topic, [MIN_ISR]) for topic in topics]
    if not wanted:
        return {}
    answer = admin.describe_configs(wanted, config_filter="all")["topic"]
    return {
        topic: int(settings[MIN_ISR]["value"])
        for topic, settings in answer.items()
        if MIN_ISR in settings
    }


def _partition(
    topic: str,
    each: Mapping[str, Any],
    min_isr: Mapping[str, int],
    moving: Mapping[Any, Mapping[str, list[int]]],
    eligible: Mapping[TopicPartition, tuple[int, ...]],
) -> Partition:
    name = TopicPartition(topic, each["partition_index"])
    move = moving.get(name, {})
    return Partition(
        name,
        each["leader_id"],
        tuple(each["replica_nodes"]),
        tuple(each["isr_nodes"]),
        min_isr.get(topic, 1),
        tuple(each["offline_replicas"]),
        tuple(move.get("adding_replicas", ())),
        tuple(move.get("removing_replicas", ())),
        eligible.get(name, ()),
    )


def _quorum(admin: KafkaAdminClient, broker: int) -> Quorum | None:
    """KRaft's quorum, None with ZooKeeper."""
    try:
        answer = admin.describe_metadata_quorum()
    except UnsupportedVersionError:
        return None
    (found,) = (each for topic in answer["topics"] for each in topic["partitions"])
    voters = {
        each["replica_id"]: each["last_caught_up_timestamp"] for each in found["current_voters"]
    }
    wanted = [ConfigResource("BROKER", str(broker), [FETCH_TIMEOUT])]
    settings = admin.describe_configs(wanted, config_filter="all")["broker"][str(broker)]
    return Quorum(found["leader_id"], voters, int(settings[FETCH_TIMEOUT]["value"]))
