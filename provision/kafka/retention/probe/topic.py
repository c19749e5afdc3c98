"""The probe's topic: created beside the topic, found again, removed."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition
from kafka.errors import UnknownTopicOrPartitionError, for_code

from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.probe.design import MARGIN, SEGMENT, Design, Part
from provision.kafka.retention.probe.trace import ProbeTrace

if TYPE_CHECKING:
    from kafka import KafkaAdminClient

PREFIX = "hactl-probe-"
MAX_NAME_LENGTH = 220
"""Characters of a topic's name in the name of its probe; a name may have 249 characters."""

NONE, UNKNOWN_TOPIC = 0, 3
"""No error, and UNKNOWN_TOPIC_OR_PARTITION (org.apache.kafka.common.protocol.Errors)."""

LATEST = -1
"""The timestamp for the end of a log (ListOffsetsRequest.LATEST_TIMESTAMP)."""


@dataclass
class Probe:
    """A probe: a topic on the brokers in `first`, the leader first.

    `overrides` are the parameters set on the original topic. `due` is the monotonic time of the
    next round in milliseconds, `number` the number of the rounds so far.
    """

    design: Design
    overrides: dict[str, str]
    first: tuple[int, ...]
    name: str
    due: float = 0
    number: int = 0
    traces: dict[Part, ProbeTrace] = field(default_factory=dict)

    def partition(self, part: Part) -> TopicPartition:
        """The partition for a part."""
        return TopicPartition(self.name, self.design.parts.index(part))


def probe(design: Design, info: TopicInfo) -> Probe:
    """A probe with a unique name; its topic does not exist yet."""
    name = f"{PREFIX}{info.topic.name[:MAX_NAME_LENGTH]}-{secrets.token_hex(4)}"
    return Probe(
        design,
        dict(info.overrides),
        info.first,
        name,
        traces={part: ProbeTrace() for part in design.parts},
    )


def create(admin: KafkaAdminClient, probes: Iterable[Probe]) -> None:
    """Create the probes' topics and wait until they have leaders.

    Raises:
        KafkaError: the cluster refuses, or takes too long.
    """
    topics = {
        probe.name: {
            "assignments": {number: list(probe.first) for number in range(len(probe.design.parts))},
            "configs": probe.design.settings(probe.overrides),
        }
        for probe in probes
    }
    admin.create_topics(topics, wait_for_metadata=True)


def remove(login: Login, names: list[str]) -> None:
    """Delete topics over a new connection; a topic that does not exist is no error.

    The request goes to the controller: another broker may not know of a new topic yet.

    Raises:
        HactlError: the cluster refuses the request.
    """

    def delete(admin: KafkaAdminClient) -> None:
        answer = admin.delete_topics(names, raise_errors=False)
        for topic in answer["topics"]:
            if topic["error_code"] not in (NONE, UNKNOWN_TOPIC):
                raise for_code(topic["error_code"])(topic["name"])

    ask(login, delete)


def leftovers(admin: KafkaAdminClient, topics: list[str]) -> list[str]:
    """The names of these topics' probes that no run writes to: their run was killed.

    Raises:
        KafkaError: the cluster does not answer.
    """
    names = re.compile(
        "|".join(f"{PREFIX}{re.escape(name[:MAX_NAME_LENGTH])}-[0-9a-f]{{8}}" for name in topics)
    )
    probes = [topic for topic in admin.describe_topics() if names.fullmatch(topic["name"])]
    if not probes:
        return []
    before = {topic["name"]: _end_offsets(admin, topic) for topic in probes}
    time.sleep(2 * (SEGMENT + MARGIN) / 1000)
    return sorted(
        topic["name"]
        for topic in probes
        if before[topic["name"]] == _end_offsets(admin, topic) != {}
    )


def _end_offsets(admin: KafkaAdminClient, topic: Mapping[str, Any]) -> dict[int, int]:
    """The end offsets by partition; empty where the topic was just deleted or just created."""
    partitions = [
        TopicPartition(topic["name"], partition["partition_index"])
        for partition in topic["partitions"]
    ]
    try:
        answer = admin.list_partition_offsets(dict.fromkeys(partitions, LATEST))
    except UnknownTopicOrPartitionError:
        return {}
    return {partition.partition: result.offset for partition, result in answer.items()}
