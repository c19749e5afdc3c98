"""Properties of brokers and topics: names, types and ranges as in Kafka's tables."""

from __future__ import annotations

import html
import re
import subprocess

import pytest

from provision.desired.kafka_distribution import collect
from provision.formats.parameters import broker, topic
from tests.kafka.cluster import CACHE

OLD, NEW = broker((3, 9, 1)), broker((4, 1, 0))


def test_versions_have_different_properties() -> None:
    assert "zookeeper.connect" in OLD
    assert "zookeeper.connect" not in NEW
    assert "log.retention.hours" in OLD.keys() & NEW.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num.partitions", 3),
        ("num.partitions", "3"),
        ("auto.create.topics.enable", False),
        ("log.cleaner.min.cleanable.ratio", 0.5),
        ("log.cleanup.policy", "compact,delete"),
        ("log.retention.bytes", -1),
        ("compression.type", "zstd"),
        ("zookeeper.clientCnxnSocket", "x.y.Z"),
    ],
)
def test_values_that_kafka_accepts(name: str, value: str | int | float | bool) -> None:
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
def test_values_that_kafka_refuses(
    name: str, value: str | int | float | bool, complaint: str
) -> None:
    assert OLD[name].complaint(value) == complaint


@pytest.mark.kafka
@pytest.mark.parametrize("version", ["3.9.1", "4.1.0"])
def test_the_parameters_of_topics_are_those_that_kafka_itself_prints(version: str) -> None:
    jars = collect(version, CACHE, print)
    argv = [
        "java",
        "-Xmx128m",
        "-cp",
        f"{jars}/*",
        "org.apache.kafka.storage.internals.log.LogConfig",
    ]
    printed = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout
    printed_parameters = {}
    for part in printed.split("<h4>")[1:]:
        name = re.search(r'<a id="([^"]+)">', part)
        cells = [
            re.search(f"<th>{word}:</th><td>(.*?)</td>", part, re.DOTALL)
            for word in ("Type", "Valid Values")
        ]
        assert name
        kind, valid = (html.unescape(cell[1]) if cell else "" for cell in cells)
        printed_parameters[name[1]] = (kind, valid)
    known = topic(tuple(map(int, version.split("."))))
    assert known.keys() == printed_parameters.keys()
    for parameter, (kind, valid) in printed_parameters.items():
        definition = known[parameter]
        assert definition.type == kind
        if definition.choices:
            assert sorted(definition.choices) == sorted(valid.strip("[]").split(", ")), parameter
        elif valid.startswith("[") and "Id]" not in valid and " or " not in valid:
            low, high = (
                f"{bound:.15g}" if bound is not None else ""
                for bound in (definition.low, definition.high)
            )
            assert valid == f"[{low},...{',' if high else ''}{high}]", parameter
