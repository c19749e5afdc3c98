"""Topics' parameters and replicas and the brokers' cleaner, fetched over Kafka's admin API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource

from provision.kafka.admin import describe_cluster
from provision.kafka.retention.model import Cleaner, RetentionTopic, cleaner, topic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

TOPIC_SOURCE = "DYNAMIC_TOPIC_CONFIG"
"""The source of a parameter that is set on the topic (DescribeConfigsResponse.ConfigSource)."""


@dataclass(frozen=True)
class TopicInfo:
    """A topic's current parameters, with the number of its replicas on each broker.

    `room` has the bytes that each broker has for the topic, used or free. It is None for a broker
    that does not report it (before 3.3); a broker that did not answer is missing. `first` are the
    brokers of the first partition, its leader first, and `cleaner` is that leader's. `overrides`
    are the parameters set on the topic, by Kafka's names. `removable` is whether the brokers let
    topics be deleted.
    """

    topic: RetentionTopic
    cleaner: Cleaner
    partitions: int
    replicas: Mapping[int, int]
    room: Mapping[int, int | None]
    overrides: Mapping[str, str] = field(default_factory=dict)
    first: tuple[int, ...] = ()
    removable: bool = True


def look(admin: KafkaAdminClient, names: list[str]) -> tuple[list[TopicInfo], list[str]]:
    """The topics of these names, and the names without a topic.

    Without names: all topics except internal ones.

    Raises:
        KafkaError: the cluster does not answer.
        HactlError: the cluster reports an impossible value of a parameter.
    """
    metadata = {topic["name"]: topic for topic in admin.describe_topics()}
    names = names or sorted(name for name, topic in metadata.items() if not topic["is_internal"])
    existing = [name for name in names if name in metadata]
    missing = [name for name in names if name not in metadata]
    if not existing:
        return [], missing
    any_broker = min(broker["broker_id"] for broker in describe_cluster(admin)["brokers"])
    leaders = {name: next(iter(_first(metadata[name])), any_broker) for name in existing}
    resources = [ConfigResource("TOPIC", name) for name in existing]
    resources += [ConfigResource("BROKER", str(leader)) for leader in sorted(set(leaders.values()))]
    answer = admin.describe_configs(resources, config_filter="all")
    folders = admin.describe_log_dirs()
    versions = {
        leader: tuple(admin.get_broker_version_data(leader).broker_version)
        for leader in leaders.values()
    }
    infos = [
        _topic_info(
            metadata[name],
            answer["topic"][name],
            _values(answer["broker"][str(leaders[name])]),
            versions[leaders[name]],
            folders,
        )
        for name in existing
    ]
    return infos, missing


def free(admin: KafkaAdminClient) -> dict[int, int | None]:
    """The free bytes on each broker, None for a broker that does not report them.

    Raises:
        KafkaError: the cluster does not answer.
    """
    return _rooms(admin.describe_log_dirs(), "")


def _first(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """The brokers of the first partition, its leader first. Empty without a leader."""
    partition = min(metadata["partitions"], key=lambda item: int(item["partition_index"]))
    leader = partition["leader_id"]
    if leader < 0:
        return ()
    return (leader, *(broker for broker in partition["replica_nodes"] if broker != leader))


def _topic_info(
    metadata: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    broker_settings: Mapping[str, str | None],
    version: tuple[int, ...],
    folders: list[Mapping[str, Any]],
) -> TopicInfo:
    name = metadata["name"]
    replicas = Counter(
        broker for partition in metadata["partitions"] for broker in partition["replica_nodes"]
    )
    return TopicInfo(
        topic(name, _values(settings)),
        cleaner(broker_settings, version),
        len(metadata["partitions"]),
        dict(sorted(replicas.items())),
        _rooms(folders, name),
        {
            key: entry["value"]
            for key, entry in settings.items()
            if entry["config_source"] == TOPIC_SOURCE
        },
        _first(metadata),
        broker_settings.get("delete.topic.enable") != "false",
    )


def _values(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    return {key: entry["value"] for key, entry in settings.items()}


def _rooms(folders: list[Mapping[str, Any]], name: str) -> dict[int, int | None]:
    return {answer["broker"]: _room(name, answer["log_dirs"]) for answer in folders}


def _room(name: str, folders: list[Mapping[str, Any]]) -> int | None:
    """The topic's current bytes and the free bytes of the fullest folder.

    None where the broker does not report free bytes (before 3.3).
    """
    free_bytes = min((folder["usable_bytes"] for folder in folders), default=-1)
    used_bytes: int = sum(
        partition["partition_size"]
        for folder in folders
        for topic in folder["topics"]
        if topic["name"] == name
        for partition in topic["partitions"]
    )
    return free_bytes + used_bytes if free_bytes >= 0 else None
