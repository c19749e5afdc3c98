"""Checks of the inventory's topics: the settings that Kafka would refuse.

Rules: `kafka-topic-collision`, `kafka-topic-replicas`, `kafka-topic-config-unknown`,
`kafka-topic-config-value`.
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
"""The broker property behind a topic's parameter (ServerTopicConfigSynonyms).

The table has only the parameters that decide how long records are kept.
"""

_COARSER = {
    "log.retention.ms": {"log.retention.minutes": 60_000, "log.retention.hours": 3_600_000},
    "log.roll.ms": {"log.roll.hours": 3_600_000},
}
"""Coarser properties, with their unit in milliseconds, that replace an absent finer one
(KafkaConfig)."""


def written(value: Scalar) -> str:
    """A value in Kafka's notation; lists without blanks, which Kafka would trim."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(part.strip() for part in str(value).split(","))


def inherited(properties: Mapping[str, Scalar]) -> dict[str, str]:
    """The defaults of a topic's parameters that follow from a broker's properties."""
    defaults = {}
    for parameter, name in SYNONYMS.items():
        if name in properties:
            defaults[parameter] = written(properties[name])
            continue
        for coarse_name, milliseconds in _COARSER.get(name, {}).items():
            if coarse_name in properties:
                defaults[parameter] = str(max(-1, int(properties[coarse_name]) * milliseconds))
                break
    return defaults


def topic_problems(model: Kafka, node: Node, brokers: int) -> Iterator[Problem]:
    """Problems of topics that Kafka would refuse; `brokers` is the number of brokers."""
    names: dict[str, str] = {}
    for name, topic in model.topics.items():
        place = node.at("topics").key_position(name)
        other = names.setdefault(name.replace(".", "_"), name)
        if other != name:
            message = f"{name} and {other} collide"
            why = "`.` and `_` are the same in the names of metrics"
            yield Problem(place, "kafka-topic-collision", message, why, "rename one of them")
        if (topic.replicas or 1) > brokers:
            yield Problem(
                node.at("topics", name, "replicas").position,
                "kafka-topic-replicas",
                f"{name} needs {topic.replicas} replicas, and there are {brokers} brokers",
                "Kafka would refuse it",
                f"set at most {brokers}",
            )
        yield from _parameter_problems(name, topic, model, node.at("topics", name, "config"))


def _parameter_problems(
    name: str, topic: KafkaTopic, model: Kafka, node: Node
) -> Iterator[Problem]:
    known = topic_parameters(model.numbers)
    for parameter, value in topic.config.items():
        if parameter not in known:
            yield Problem(
                node.key_position(parameter),
                "kafka-topic-config-unknown",
                f"topics have no `{parameter}` in Kafka {model.version}",
                "Kafka would refuse it",
                nearest(parameter, known),
            )
        elif complaint := known[parameter].complaint(value):
            yield Problem(
                node.at(parameter).position,
                "kafka-topic-config-value",
                f"`{parameter}` of {name} {complaint}",
                "Kafka would refuse it",
                "correct it",
            )
