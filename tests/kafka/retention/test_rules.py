"""Every contradiction is reported where it exists, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.kafka.retention.model import FOREVER, HOUR, Cleaner, RetentionTopic, Use
from provision.kafka.retention.rules import RULES, Severity, contradictions

BOTH = frozenset({"compact", "delete"})
COMPACT = frozenset({"compact"})
SANE = RetentionTopic("t", segment_ms=HOUR, timestamp_after_max=HOUR)
SANE_COMPACT = replace(SANE, policies=COMPACT)

TIERED = replace(SANE, remote_storage=True)
TINY = replace(SANE, segment_bytes=1000, max_message_bytes=100)

CASES: list[tuple[str, RetentionTopic, Cleaner, Use]] = [
    ("lag-order", replace(SANE_COMPACT, min_lag=2, max_lag=1), Cleaner(), Use(1)),
    ("remote-compact", replace(SANE_COMPACT, remote_storage=True), Cleaner(), Use(1)),
    ("local-retention", replace(TIERED, local_retention_ms=-1), Cleaner(), Use(1)),
    (
        "local-retention",
        replace(TIERED, retention_bytes=1 << 31, local_retention_bytes=1 << 32),
        Cleaner(),
        Use(1),
    ),
    ("segment-small", TINY, Cleaner(version=(4, 0)), Use(1)),
    ("buffer-small", SANE_COMPACT, Cleaner(dedupe_buffer=4 << 20, threads=4), Use(1)),
    ("message-above-segment", replace(SANE, max_message_bytes=1 << 31), Cleaner(), Use(1)),
    ("unbounded", replace(SANE, retention_ms=-1), Cleaner(), Use(1)),
    ("no-cleaner", SANE_COMPACT, Cleaner(enabled=False), Use(1)),
    ("never-compacted", replace(SANE_COMPACT, dirty_ratio=1.0), Cleaner(), Use(1)),
    ("segment-above-retention", replace(SANE, retention_ms=HOUR - 1), Cleaner(), Use(1)),
    ("segment-above-bytes", replace(SANE, retention_bytes=1 << 29), Cleaner(), Use(1)),
    ("check-above-retention", replace(SANE, segment_ms=1000, retention_ms=2000), Cleaner(), Use(1)),
    ("deleted-uncompacted", replace(SANE, policies=BOTH, min_lag=FOREVER), Cleaner(), Use(1)),
    ("blind-deletes", replace(SANE_COMPACT, delete_retention=0), Cleaner(), Use(1)),
    ("too-many-keys", SANE_COMPACT, Cleaner(), Use(1, keys=6_000_000)),
    ("future-timestamps", replace(SANE, timestamp_after_max=FOREVER), Cleaner(), Use(1)),
    ("retention-unused", replace(SANE_COMPACT, retention_ms=1), Cleaner(), Use(1)),
    ("compaction-unused", replace(SANE, dirty_ratio=0.1), Cleaner(), Use(1)),
]


@pytest.mark.parametrize(
    ("rule", "topic", "cleaner", "use"),
    CASES,
    ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)],
)
def test_a_contradiction_is_reported_and_nothing_else(
    rule: str, topic: RetentionTopic, cleaner: Cleaner, use: Use
) -> None:
    assert [result.rule for result in contradictions(topic, cleaner, use)] == [rule]


@pytest.mark.parametrize("topic", [SANE, SANE_COMPACT, replace(SANE, policies=BOTH)])
def test_a_sane_topic_has_no_contradictions(topic: RetentionTopic) -> None:
    assert contradictions(topic, Cleaner(), Use(1, rate=1e6, keys=1000, record_bytes=100)) == ()


def test_every_rule_has_a_case() -> None:
    reported = {
        result.rule
        for _, topic, cleaner, use in CASES
        for result in contradictions(topic, cleaner, use)
    }
    assert len(reported) >= len(RULES)
    assert reported == {rule for rule, *_ in CASES}


def test_parameters_that_kafka_refuses_come_first() -> None:
    results = contradictions(
        replace(SANE_COMPACT, retention_ms=1, min_lag=2, max_lag=1, delete_retention=0),
        Cleaner(),
        Use(1),
    )
    assert [result.severity for result in results] == [
        Severity.REFUSED,
        Severity.WARNING,
        Severity.POINTLESS,
    ]
