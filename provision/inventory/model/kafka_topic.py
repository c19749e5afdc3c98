"""The model of a Kafka topic."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from provision.inventory.model.text import Integer, Model, mistake

Scalar = str | int | float | bool


def _checked_name(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) is None or value in (".", ".."):
        raise mistake(
            "kafka-topic-name",
            f"a topic cannot be called {value[:60]!a}",
            "Kafka uses it as a file name",
            "use up to 249 letters, digits, `.`, `_` and `-`",
        )
    if value.startswith("__"):
        raise mistake(
            "kafka-topic-name",
            f"{value} is a name for Kafka's internal topics",
            "hactl does not manage those",
            "choose a name that does not begin with `__`",
        )
    return value


TopicName = Annotated[str, AfterValidator(_checked_name)]
"""A legal topic name (org.apache.kafka.common.internals.Topic), internal topics excluded."""


class KafkaTopic(Model):
    """A topic of a Kafka cluster."""

    partitions: Annotated[Integer, Field(ge=1, le=100_000)]
    """Number of partitions. It can grow, but never shrink."""
    replicas: Annotated[Integer, Field(ge=1, le=32_767)] | None = None
    """Number of brokers that keep a partition. Absent: `default.replication.factor`: three, or all
    brokers if there are fewer."""
    config: dict[str, Scalar] = Field(default_factory=dict)
    """Parameters by Kafka's names. hactl checks names, types and ranges, and that they fit
    together."""
