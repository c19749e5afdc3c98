"""The design of a probe: shortened parameters, parts, duration, and the reasons for a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HactlError
from provision.kafka.retention.model import FOREVER, GIB, HOUR, Cleaner, RetentionTopic, Use, topic
from provision.kafka.retention.probe.design import ConfigChange, Part, design
from provision.kafka.retention.rules import contradictions

COMPACT = frozenset({"compact"})
BOTH = frozenset({"compact", "delete"})
DAY = 24 * HOUR


def test_long_times_and_large_sizes_are_shortened_and_others_stay() -> None:
    plan = design(RetentionTopic("t", retention_bytes=10 * GIB), Cleaner())
    assert plan.changes == (
        ConfigChange("segment.ms", 7 * DAY, 3_000),
        ConfigChange("retention.ms", 7 * DAY, 30_000),
        ConfigChange("retention.bytes", 10 * GIB, 131_072),
    )
    quick = RetentionTopic("t", segment_ms=1_000, retention_ms=2_000)
    assert not design(quick, Cleaner()).changes


def test_each_part_has_a_partition() -> None:
    assert design(RetentionTopic("t"), Cleaner()).parts == (Part.AGE,)
    assert design(RetentionTopic("t", COMPACT), Cleaner()).parts == (Part.KEYS,)
    assert design(RetentionTopic("t", BOTH, retention_bytes=GIB), Cleaner()).parts == (
        Part.KEYS,
        Part.AGE,
        Part.SIZE,
    )


def test_a_part_that_another_bound_hides_is_left_out_with_a_message() -> None:
    early = design(RetentionTopic("t", retention_ms=2_000, retention_bytes=GIB), Cleaner())
    assert (early.parts, early.left_out) == (
        (Part.AGE,),
        ("retention.bytes: retention.ms 2000 is always reached first",),
    )
    small = design(RetentionTopic("t", retention_bytes=1_000), Cleaner())
    assert (small.parts, small.left_out) == (
        (Part.SIZE,),
        ("retention.ms: retention.bytes 1000 is always reached first",),
    )


def test_the_probe_has_the_topics_overrides_except_shortened_ones_and_names_of_replicas() -> None:
    overrides = {
        "retention.ms": "86400000",
        "compression.type": "zstd",
        "follower.replication.throttled.replicas": "0:1",
        "message.timestamp.type": "CreateTime",
    }
    assert design(topic("t", overrides), Cleaner()).settings(overrides) == {
        "retention.ms": "30000",
        "segment.ms": "3000",
        "compression.type": "zstd",
        "message.timestamp.type": "LogAppendTime",
        "segment.jitter.ms": "0",
    }


def test_the_wait_depends_on_the_brokers_check_interval_and_back_off() -> None:
    assert design(RetentionTopic("t"), Cleaner()).longest == 2 * 3_500 + 30_000 + 300_000 + 12_000
    quick = design(RetentionTopic("t", COMPACT), Cleaner(backoff=1_000)).longest
    assert (
        design(RetentionTopic("t", COMPACT), Cleaner(backoff=31_000)).longest == quick + 4 * 30_000
    )


@pytest.mark.parametrize(
    ("parameters", "cleaner", "reason"),
    [
        (
            RetentionTopic("t", COMPACT),
            Cleaner(enabled=False),
            r"no-cleaner: log\.cleaner\.enable is false",
        ),
        (RetentionTopic("t", COMPACT, dirty_ratio=1), Cleaner(), "never-compacted"),
        (RetentionTopic("t", COMPACT, dirty_ratio=0.9999), Cleaner(), "a pass starts only after"),
        (
            RetentionTopic("t", BOTH, retention_ms=1_000, min_lag=2_000),
            Cleaner(),
            "deleted-uncompacted",
        ),
        (RetentionTopic("t", retention_ms=-1), Cleaner(), "nothing is ever deleted or compacted"),
        (RetentionTopic("t", remote_storage=True), Cleaner(), "tiered storage"),
    ],
)
def test_a_topic_with_nothing_to_verify_is_refused(
    parameters: RetentionTopic, cleaner: Cleaner, reason: str
) -> None:
    with pytest.raises(HactlError, match=reason):
        design(parameters, cleaner)


@given(
    segment_ms=st.integers(1, 30 * DAY),
    min_lag=st.integers(0, 30 * DAY),
    max_lag=st.one_of(st.just(FOREVER), st.integers(1, 30 * DAY)),
    retention_ms=st.one_of(st.just(-1), st.integers(0, 30 * DAY)),
    delete_retention=st.integers(0, 30 * DAY),
)
def test_no_parameter_gets_larger_and_no_contradiction_is_added(
    segment_ms: int, min_lag: int, max_lag: int, retention_ms: int, delete_retention: int
) -> None:
    original = RetentionTopic(
        "t",
        BOTH,
        retention_ms,
        segment_ms=segment_ms,
        min_lag=min_lag,
        max_lag=max_lag,
        delete_retention=delete_retention,
    )
    if min_lag > max_lag or 0 <= retention_ms < min_lag:
        return
    result = design(original, Cleaner())
    assert all(0 <= change.probe <= change.topic for change in result.changes)
    before = {item.rule for item in contradictions(original, Cleaner(), Use(1))}
    after = {item.rule for item in contradictions(result.topic, Cleaner(), Use(1))}
    assert after <= before | {"segment-above-retention"}
    assert replace(result, topic=original).changes == ()
