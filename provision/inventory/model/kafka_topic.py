"""The typed, frozen model of a Kafka topic."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from provision.inventory.model.text import Integer, Model, mistake

Scalar = str | int | float | bool


def _name(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) is None or value in (".", ".."):
        raise mistake(
            "kafka-topic-name",
            f"a topic cannot be called {value[:60]!a}",
            "Kafka takes it for a file's name",
            "up to 249 letters, digits, `.`, `_` and `-`",
        )
    if value.startswith("__"):
        raise mistake(
            "kafka-topic-name",
            f"{value} is called like Kafka's own topics",
            "hactl leaves those alone",
            "choose a name that does not begin with `__`",
        )
    return value


TopicName = Annotated[str, AfterValidator(_name)]
"""A legal name (org.apache.kafka.common.internals.Topic) that is not one of Kafka's own."""


class KafkaTopic(Model):
    """A topic."""

    partitions: Annotated[Integer, Field(ge=1, le=100_000)]
    """Its partitions. They can become more, never fewer."""
    replicas: Annotated[Integer, Field(ge=1, le=32_767)] | None = None
    """Brokers that keep each partition. Absent: `default.replication.factor`, which is three, or all that there are."""
    config: dict[str, Scalar] = Field(default_factory=dict)
    """Parameters by Kafka's names; name, type and range are checked, and all of them together."""
