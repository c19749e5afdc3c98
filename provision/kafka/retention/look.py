"""A topic's parameters and replicas, and its brokers' cleaner, from a running cluster over Kafka's admin API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka.admin import ConfigResource

from provision.kafka.retention.model import Cleaner, Topic, cleaner, topic

if TYPE_CHECKING:
    from kafka import KafkaAdminClient


@dataclass(frozen=True)
class Seen:
    """One topic as it is, its replicas by broker; `room` are the bytes that each broker has for it, used or free."""

    topic: Topic
    cleaner: Cleaner
    partitions: int
    replicas: Mapping[int, int]
    room: Mapping[int, int]


def look(admin: KafkaAdminClient, names: list[str]) -> tuple[list[Seen], list[str]]:
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
    cluster = admin.describe_cluster()["brokers"]
    broker = min(each["broker_id"] for each in cluster)
    asked = [ConfigResource("TOPIC", name) for name in found] + [ConfigResource("BROKER", str(broker))]
    answer = admin.describe_configs(asked, config_filter="all")
    version = tuple(admin.get_broker_version_data(broker).broker_version)
    side = cleaner(_values(answer["broker"][str(broker)]), version)
    folders = admin.describe_log_dirs()
    seen = [_seen(topic(name, _values(answer["topic"][name])), side, every[name], folders) for name in found]
    return seen, [name for name in wanted if name not in every]


def _values(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str | None]:
    return {key: each["value"] for key, each in settings.items()}


def _seen(about: Topic, side: Cleaner, metadata: Mapping[str, Any], folders: list[Mapping[str, Any]]) -> Seen:
    replicas = Counter(broker for each in metadata["partitions"] for broker in each["replica_nodes"])
    room = {answer["broker"]: _room(about.name, answer["log_dirs"]) for answer in folders}
    known = {broker: count for broker, count in room.items() if count is not None}
    return Seen(about, side, len(metadata["partitions"]), dict(sorted(replicas.items())), known)


def _room(name: str, folders: list[Mapping[str, Any]]) -> int | None:
    """The topic's bytes now and what is free in the fullest folder; None where the broker says neither (before 3.3)."""
    free = min((folder["usable_bytes"] for folder in folders), default=-1)
    topics = [each for folder in folders for each in folder["topics"] if each["name"] == name]
    taken: int = sum(part["partition_size"] for each in topics for part in each["partitions"])
    return free + taken if free >= 0 else None
