"""Broker properties: known names, types and ranges, as Kafka's own table has them."""

from __future__ import annotations

import pytest

from provision.kafka.definitions import broker

OLD, NEW = broker((3, 9, 1)), broker((4, 1, 0))


def test_each_version_has_its_own_properties() -> None:
    assert "zookeeper.connect" in OLD
    assert "zookeeper.connect" not in NEW
    assert "log.retention.hours" in OLD.keys() & NEW.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num.partitions", 3), ("num.partitions", "3"), ("auto.create.topics.enable", False),
        ("log.cleaner.min.cleanable.ratio", 0.5), ("log.cleanup.policy", "compact,delete"),
        ("log.retention.bytes", -1), ("compression.type", "zstd"), ("zookeeper.clientCnxnSocket", "x.y.Z"),
    ],
)  # fmt: skip
def test_what_kafka_takes(name: str, value: str | int | float | bool) -> None:
    assert OLD[name].complaint(value) == ""


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("num.partitions", 0, "must be at least 1"),
        ("num.partitions", 2**31, "must be at most 2147483647"),
        ("num.partitions", "three", "must be a whole number"),
        ("num.partitions", True, "must be a whole number"),
        ("auto.create.topics.enable", "yes", "must be true or false"),
        ("log.cleaner.min.cleanable.ratio", 1.5, "must be at most 1"),
        ("log.cleanup.policy", "compact,keep", "must be one of compact, delete"),
        ("zookeeper.clientCnxnSocket", True, "must be text, not true or false"),
    ],
)
def test_what_kafka_refuses(name: str, value: str | int | float | bool, complaint: str) -> None:
    assert OLD[name].complaint(value) == complaint
