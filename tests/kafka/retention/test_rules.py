"""Each contradiction is found where it is, and not where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.kafka.retention.model import FOREVER, HOUR, Cleaner, RetentionTopic, Use
from provision.kafka.retention.rules import RULES, Severity, contradictions

BOTH = frozenset({"compact", "delete"})
COMPACT = frozenset({"compact"})
SANE = RetentionTopic("t", segment_ms=HOUR, timestamp_after_max=HOUR)
SANE_COMPACT = replace(SANE, policies=COMPACT)

CASES: list[tuple[str, RetentionTopic, Cleaner, Use]] = [
    ("lag-order", replace(SANE_COMPACT, min_lag=2, max_lag=1), Cleaner(), Use(1)),
    ("remote-compact", replace(SANE_COMPACT, remote_storage=True), Cleaner(), Use(1)),
    ("local-retention", replace(SANE, remote_storage=True, local_retention_ms=-1), Cleaner(), Use(1)),
    ("local-retention", replace(SANE, remote_storage=True, retention_bytes=1 << 31, local_retention_bytes=1 << 32),
     Cleaner(), Use(1)),
    ("segment-small", replace(SANE, segment_bytes=1000, max_message_bytes=100), Cleaner(version=(4, 0)), Use(1)),
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
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "topic", "cleaner", "use"),
    CASES,
    ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)],
)
def test_a_contradiction_is_found_and_nothing_else(
    rule: str, topic: RetentionTopic, cleaner: Cleaner, use: Use
) -> None:
    assert [each.rule for each in contradictions(topic, cleaner, use)] == [rule]


@pytest.mark.parametrize("topic", [SANE, SANE_COMPACT, replace(SANE, policies=BOTH)])
def test_a_sane_topic_has_none(topic: RetentionTopic) -> None:
    assert contradictions(topic, Cleaner(), Use(1, rate=1e6, keys=1000, record_bytes=100)) == ()


def test_every_rule_is_tried_here() -> None:
    fired = {each.rule for _, *case in CASES for each in contradictions(*case)}
    assert len(fired) >= len(RULES)
    assert fired == {rule for rule, *_ in CASES}


def test_what_kafka_refuses_comes_first() -> None:
    found = contradictions(
        replace(SANE_COMPACT, retention_ms=1, min_lag=2, max_lag=1, delete_retention=0),
        Cleaner(),
        Use(1),
    )
    assert [each.weight for each in found] == [
        Severity.REFUSED,
        Severity.WARNING,
        Severity.POINTLESS,
    ]
