"""The topic that is the probe: made beside the topic, found again, removed."""

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
"""Characters of a topic's name that go into that of its probe, which may have 249."""

NONE, UNKNOWN = 0, 3
"""No error, and UNKNOWN_TOPIC_OR_PARTITION (org.apache.kafka.common.protocol.Errors)."""

LATEST = -1
"""The timestamp that asks for the end of a log (ListOffsetsRequest.LATEST_TIMESTAMP)."""


@dataclass
class Probe:
    """A topic of its own on the brokers of `first`, the leader first; `own` is what is set on the topic beside it.

    `due` is the monotonic time of the next round in milliseconds, `number` counts them.
    """

    design: Design
    own: dict[str, str]
    first: tuple[int, ...]
    name: str
    due: float = 0
    number: int = 0
    traces: dict[Part, ProbeTrace] = field(default_factory=dict)

    def partition(self, part: Part) -> TopicPartition:
        """The partition that shows a thing."""
        return TopicPartition(self.name, self.design.parts.index(part))


def probe(design: Design, seen: TopicInfo) -> Probe:
    """A probe with a name of its own, not made yet."""
    name = f"{PREFIX}{seen.topic.name[:MAX_NAME_LENGTH]}-{secrets.token_hex(4)}"
    return Probe(
        design,
        dict(seen.own),
        seen.first,
        name,
        traces={part: ProbeTrace() for part in design.parts},
    )


def create(admin: KafkaAdminClient, probes: Iterable[Probe]) -> None:
    """Make the topics and wait until they have leaders.

    Raises:
        KafkaError: the cluster refuses, or takes too long.
    """
    topics = {
        each.name: {
            "assignments": {number: list(each.first) for number in range(len(each.design.parts))},
            "configs": each.design.settings(each.own),
        }
        for each in probes
    }
    admin.create_topics(topics, wait_for_metadata=True)


def remove(login: Login, names: list[str]) -> None:
    """Delete topics, over a connection of its own; those that are not there are left out.

    The controller is asked for each: another broker may not have heard yet of a topic that was just made.

    Raises:
        HactlError: the cluster does not do it.
    """

    def delete(admin: KafkaAdminClient) -> None:
        answer = admin.delete_topics(names, raise_errors=False)
        for each in answer["topics"]:
            if each["error_code"] not in (NONE, UNKNOWN):
                raise for_code(each["error_code"])(each["name"])

    ask(login, delete)


def leftovers(admin: KafkaAdminClient, topics: list[str]) -> list[str]:
    """Probes of these topics that nobody writes to any more: their run was killed.

    Raises:
        KafkaError: the cluster does not answer.
    """
    names = re.compile(
        "|".join(f"{PREFIX}{re.escape(name[:MAX_NAME_LENGTH])}-[0-9a-f]{{8}}" for name in topics)
    )
    found = [each for each in admin.describe_topics() if names.fullmatch(each["name"])]
    if not found:
        return []
    before = {each["name"]: _ends(admin, each) for each in found}
    time.sleep(2 * (SEGMENT + MARGIN) / 1000)
    return sorted(
        each["name"] for each in found if before[each["name"]] == _ends(admin, each) != {}
    )


def _ends(admin: KafkaAdminClient, topic: Mapping[str, Any]) -> dict[int, int]:
    """Where its partitions end; nothing where the topic has just gone, or has just been made."""
    parts = [TopicPartition(topic["name"], each["partition_index"]) for each in topic["partitions"]]
    try:
        answer = admin.list_partition_offsets(dict.fromkeys(parts, LATEST))
    except UnknownTopicOrPartitionError:
        return {}
    return {part.partition: each.offset for part, each in answer.items()}
