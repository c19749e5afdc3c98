"""The topics of a cluster, as far as the inventory alone can tell that Kafka would refuse them.

Rules: `kafka-topic-collision`, `kafka-topic-replicas`, `kafka-topic-config-unknown`, `kafka-topic-config-value`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.core.errors import Problem
from provision.formats.parameters import topic as topic_parameters
from provision.inventory.model.kafka import Kafka
from provision.inventory.model.kafka_topic import KafkaTopic, Scalar
from provision.inventory.source import Node
from provision.inventory.wording import nearest

SYNONYMS = {
    "cleanup.policy": "log.cleanup.policy",
    "retention.ms": "log.retention.ms",
    "retention.bytes": "log.retention.bytes",
    "segment.bytes": "log.segment.bytes",
    "segment.ms": "log.roll.ms",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "max.message.bytes": "message.max.bytes",
    "message.timestamp.type": "log.message.timestamp.type",
    "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
    "local.retention.ms": "log.local.retention.ms",
    "local.retention.bytes": "log.local.retention.bytes",
    "min.insync.replicas": "min.insync.replicas",
}
"""The broker's property behind a topic's parameter (ServerTopicConfigSynonyms), for those that decide what is kept."""

_LONGER = {
    "log.retention.ms": {"log.retention.minutes": 60_000, "log.retention.hours": 3_600_000},
    "log.roll.ms": {"log.roll.hours": 3_600_000},
}
"""Coarser properties, in milliseconds, that hold where the finer one is absent (KafkaConfig)."""


def written(value: Scalar) -> str:
    """A value as Kafka has it; lists without the blanks that it would trim."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(part.strip() for part in str(value).split(","))


def inherited(properties: Mapping[str, Scalar]) -> dict[str, str]:
    """What a topic's parameters are where it does not name them, as far as a broker's properties say."""
    found = {}
    for parameter, name in SYNONYMS.items():
        if name in properties:
            found[parameter] = written(properties[name])
            continue
        coarse = (
            (other, each) for other, each in _LONGER.get(name, {}).items() if other in properties
        )
        for other, each in coarse:
            found[parameter] = str(max(-1, int(properties[other]) * each))
            break
    return found


def topic_problems(model: Kafka, node: Node, brokers: int) -> Iterator[Problem]:
    """What Kafka would refuse, at its place; `brokers` is how many there are."""
    seen: dict[str, str] = {}
    for name, topic in model.topics.items():
        place = node.at("topics").key_position(name)
        other = seen.setdefault(name.replace(".", "_"), name)
        if other != name:
            what, why = (
                f"{name} and {other} collide",
                "`.` and `_` are the same in the names of metrics",
            )
            yield Problem(place, "kafka-topic-collision", what, why, "rename one of them")
        if (topic.replicas or 1) > brokers:
            what = f"{name} is to have {topic.replicas} replicas, and there are {brokers} brokers"
            where = node.at("topics", name, "replicas").position
            yield Problem(
                where, "kafka-topic-replicas", what, "Kafka would refuse it", f"at most {brokers}"
            )
        yield from _parameter_problems(name, topic, model, node.at("topics", name, "config"))


def _parameter_problems(
    name: str, topic: KafkaTopic, model: Kafka, node: Node
) -> Iterator[Problem]:
    known = topic_parameters(model.numbers)
    for parameter, value in topic.config.items():
        if parameter not in known:
            what, why = (
                f"topics have no `{parameter}` in Kafka {model.version}",
                "Kafka would refuse it",
            )
            fix = nearest(parameter, known)
            yield Problem(
                node.key_position(parameter), "kafka-topic-config-unknown", what, why, fix
            )
        elif complaint := known[parameter].complaint(value):
            what = f"`{parameter}` of {name} {complaint}"
            place = node.at(parameter).position
            yield Problem(
                place, "kafka-topic-config-value", what, "Kafka would refuse it", "correct it"
            )
