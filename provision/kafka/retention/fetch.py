"""A topic's parameters and replicas, and its brokers' cleaner, from a running cluster over Kafka's admin API."""

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

OWN = "DYNAMIC_TOPIC_CONFIG"
"""The source of a parameter that is set on the topic (DescribeConfigsResponse.ConfigSource)."""


@dataclass(frozen=True)
class TopicInfo:
    """One topic as it is, its replicas by broker; `room` are the bytes that each broker has for it, used or free.

    It is None of a broker that does not tell (before 3.3), and lacks one that did not answer. `cleaner` is that of its
    first partition's leader, which leads `first`, the brokers that keep that partition; `own` is what the topic itself
    sets, by Kafka's names; `removable` is whether the brokers let topics be deleted.
    """

    topic: RetentionTopic
    cleaner: Cleaner
    partitions: int
    replicas: Mapping[int, int]
    room: Mapping[int, int | None]
    own: Mapping[str, str] = field(default_factory=dict)
    first: tuple[int, ...] = ()
    removable: bool = True


def look(admin: KafkaAdminClient, names: list[str]) -> tuple[list[TopicInfo], list[str]]:
    """The topics of these names, and which of the names no topic has; no names are all topics but internal ones.

    Raises:
        KafkaError: the cluster does not answer.
        HactlError: it says of a parameter what cannot be.
    """
    every = {each["name"]: each for each in admin.describe_topics()}
    wanted = names or sorted(name for name, each in every.items() if not each["is_internal"])
    found = [name for name in wanted if name in every]
    if not found:
        return [], [name for name in wanted if name not in every]
    first = {name: _first(every[name]) for name in found}
    some = min(each["broker_id"] for each in describe_cluster(admin)["brokers"])
    ask = {name: next(iter(first[name]), some) for name in found}
    asked = [ConfigResource("TOPIC", name) for name in found]
    asked += [ConfigResource("BROKER", str(broker)) for broker in sorted(set(ask.values()))]
    answer = admin.describe_configs(asked, config_filter="all")
    folders = admin.describe_log_dirs()
    versions = {
        broker: tuple(admin.get_broker_version_data(broker).broker_version)
        for broker in ask.values()
    }
    seen = [
        _seen(
            every[name],
            answer["topic"][name],
            _values(answer["broker"][str(ask[name])]),
            versions[ask[name]],
            folders,
        )
        for name in found
    ]
    return seen, [name for name in wanted if name not in every]


def free(admin: KafkaAdminClient) -> dict[int, int | None]:
    """The bytes that each broker has for a topic that is not there yet, as far as it tells.

    Raises:
        KafkaError: the cluster does not answer.
    """
    return _rooms(admin.describe_log_dirs(), "")


def _first(metadata: Mapping[str, Any]) -> tuple[int, ...]:
    """The brokers of the first partition: its leader, then the others. None where nobody leads it."""
    part = min(metadata["partitions"], key=lambda each: int(each["partition_index"]))
    leader = part["leader_id"]
    return (
        (leader, *(broker for broker in part["replica_nodes"] if broker != leader))
        if leader >= 0
        else ()
    )


def _seen(
    metadata: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    side: Mapping[str, str | None],
    version: tuple[int, ...],
    folders: list[Mapping[str, Any]],
) -> TopicInfo:
    name = metadata["name"]
    replicas = Counter(
        broker for each in metadata["partitions"] for broker in each["replica_nodes"]
    )
    return TopicInfo(
        topic(name, _values(settings)),
        cleaner(side, version),
        len(metadata["partitions"]),
        dict(sorted(replicas.items())),
        _rooms(folders, name),
        {key: each["value"] for key, each in settings.items() if each["config_source"] == OWN},
        _first(metadata),
        side.get("delete.topic.enable") != "false",
    )


def _values(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    return {key: each["value"] for key, each in settings.items()}


def _rooms(folders: list[Mapping[str, Any]], name: str) -> dict[int, int | None]:
    return {answer["broker"]: _room(name, answer["log_dirs"]) for answer in folders}


def _room(name: str, folders: list[Mapping[str, Any]]) -> int | None:
    """The topic's bytes now and what is free in the fullest folder; None where the broker says neither (before 3.3)."""
    free = min((folder["usable_bytes"] for folder in folders), default=-1)
    topics = [each for folder in folders for each in folder["topics"] if each["name"] == name]
    taken: int = sum(part["partition_size"] for each in topics for part in each["partitions"])
    return free + taken if free >= 0 else None
