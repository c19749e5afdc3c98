"""The probe of a topic: what is shortened and to what, what it shows, how long it takes, what it is refused for."""

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


def test_what_nobody_can_wait_for_is_shortened_and_the_rest_stays() -> None:
    made = design(RetentionTopic("t", retention_bytes=10 * GIB), Cleaner())
    assert made.changes == (
        ConfigChange("segment.ms", 7 * DAY, 3_000),
        ConfigChange("retention.ms", 7 * DAY, 30_000),
        ConfigChange("retention.bytes", 10 * GIB, 131_072),
    )
    quick = RetentionTopic("t", segment_ms=1_000, retention_ms=2_000)
    assert not design(quick, Cleaner()).changes


def test_a_partition_for_each_thing_that_is_shown() -> None:
    assert design(RetentionTopic("t"), Cleaner()).parts == (Part.AGE,)
    assert design(RetentionTopic("t", COMPACT), Cleaner()).parts == (Part.KEYS,)
    assert design(RetentionTopic("t", BOTH, retention_bytes=GIB), Cleaner()).parts == (
        Part.KEYS,
        Part.AGE,
        Part.SIZE,
    )


def test_what_another_bound_hides_is_left_out_and_told() -> None:
    early = design(RetentionTopic("t", retention_ms=2_000, retention_bytes=GIB), Cleaner())
    assert (early.parts, early.left_out) == (
        (Part.AGE,), ("retention.bytes: retention.ms 2000 is always reached before",)
    )  # fmt: skip
    small = design(RetentionTopic("t", retention_bytes=1_000), Cleaner())
    assert (small.parts, small.left_out) == (
        (Part.SIZE,), ("retention.ms: retention.bytes 1000 is always reached before",)
    )  # fmt: skip


def test_the_probe_has_what_is_set_on_the_topic_but_for_what_is_shortened_and_what_names_its_replicas() -> (
    None
):
    own = {
        "retention.ms": "86400000", "compression.type": "zstd", "follower.replication.throttled.replicas": "0:1",
        "message.timestamp.type": "CreateTime",
    }  # fmt: skip
    assert design(topic("t", own), Cleaner()).settings(own) == {
        "retention.ms": "30000", "segment.ms": "3000", "compression.type": "zstd",
        "message.timestamp.type": "LogAppendTime", "segment.jitter.ms": "0",
    }  # fmt: skip


def test_the_brokers_own_times_bound_the_wait() -> None:
    assert design(RetentionTopic("t"), Cleaner()).longest == 2 * 3_500 + 30_000 + 300_000 + 12_000
    quick = design(RetentionTopic("t", COMPACT), Cleaner(backoff=1_000)).longest
    assert (
        design(RetentionTopic("t", COMPACT), Cleaner(backoff=31_000)).longest == quick + 4 * 30_000
    )


@pytest.mark.parametrize(
    ("about", "cleaner", "why"),
    [
        (
            RetentionTopic("t", COMPACT),
            Cleaner(enabled=False),
            r"no-cleaner: log\.cleaner\.enable is false",
        ),
        (RetentionTopic("t", COMPACT, dirty_ratio=1), Cleaner(), "never-compacted"),
        (RetentionTopic("t", COMPACT, dirty_ratio=0.9999), Cleaner(), "lets a pass wait for"),
        (
            RetentionTopic("t", BOTH, retention_ms=1_000, min_lag=2_000),
            Cleaner(),
            "deleted-uncompacted",
        ),
        (RetentionTopic("t", retention_ms=-1), Cleaner(), "nothing is ever deleted or compacted"),
        (RetentionTopic("t", remote_storage=True), Cleaner(), "tiered storage"),
    ],
)
def test_where_there_is_nothing_to_be_seen_nothing_is_written(
    about: RetentionTopic, cleaner: Cleaner, why: str
) -> None:
    with pytest.raises(HactlError, match=why):
        design(about, cleaner)


@given(
    segment_ms=st.integers(1, 30 * DAY),
    min_lag=st.integers(0, 30 * DAY),
    max_lag=st.one_of(st.just(FOREVER), st.integers(1, 30 * DAY)),
    retention_ms=st.one_of(st.just(-1), st.integers(0, 30 * DAY)),
    delete_retention=st.integers(0, 30 * DAY),
)
def test_nothing_gets_longer_and_no_contradiction_comes_in(
    segment_ms: int, min_lag: int, max_lag: int, retention_ms: int, delete_retention: int
) -> None:
    about = RetentionTopic(
        "t", BOTH, retention_ms, segment_ms=segment_ms, min_lag=min_lag, max_lag=max_lag,
        delete_retention=delete_retention,
    )  # fmt: skip
    if min_lag > max_lag or 0 <= retention_ms < min_lag:
        return
    made = design(about, Cleaner())
    assert all(0 <= each.probe <= each.topic for each in made.changes)
    before = {each.rule for each in contradictions(about, Cleaner(), Use(1))}
    after = {each.rule for each in contradictions(made.topic, Cleaner(), Use(1))}
    assert after <= before | {"segment-above-retention"}
    assert replace(made, topic=about).changes == ()
