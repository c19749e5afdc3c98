"""The plan of a topic: known figures, and bounds that a log kept by Kafka's own rules never exceeds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.core.errors import HactlError
from provision.kafka.retention.deadlines import (
    expired,
    readable,
    rolled,
    superseded,
    tombstone_gone,
)
from provision.kafka.retention.model import (
    FOREVER,
    GIB,
    HOUR,
    Cleaner,
    RetentionTopic,
    Use,
    cleaner,
    topic,
)
from provision.kafka.retention.plan import advice, plan
from provision.kafka.retention.volume import keys_per_pass, passes, replica_bytes
from tests.kafka.retention.simulation import worst

DAY = 24 * HOUR
MIB = 1 << 20
BOTH = frozenset({"compact", "delete"})
COMPACT = frozenset({"compact"})


def test_the_defaults_of_a_cleaner_thread_hold_five_million_keys() -> None:
    assert keys_per_pass(Cleaner()) == 5_033_164


def test_cleaner_threads_share_the_buffer() -> None:
    assert keys_per_pass(Cleaner(threads=4)) == 1_258_290
    assert passes(Cleaner(threads=4), Use(2, keys=3_000_000)) == 2


def test_a_partition_grows_to_its_bound_and_one_segment() -> None:
    found = replica_bytes(
        RetentionTopic("t", retention_bytes=10 * GIB, retention_ms=-1), Cleaner(), Use(3)
    )
    assert found and (found.bytes, found.rule) == (11 * GIB, "retention.bytes")


def test_what_comes_in_until_the_files_are_gone_counts_as_well() -> None:
    found = replica_bytes(
        RetentionTopic("t", retention_bytes=GIB, retention_ms=-1), Cleaner(), Use(2, rate=2 * MIB)
    )
    assert (
        found and found.bytes == 2 * GIB + 360 * MIB
    )  # 300 s between two looks, 60 s until files are deleted


def test_the_first_record_of_a_segment_stays_for_the_whole_segment_longer() -> None:
    slow = readable(RetentionTopic("t"), Cleaner(), Use(1, rate=1))
    assert slow == 7 * DAY + 7 * DAY + 300_000
    fast = readable(RetentionTopic("t"), Cleaner(), Use(1, rate=GIB))
    assert fast == 1000 + 7 * DAY + 300_000


def test_whichever_bound_is_met_first_counts() -> None:
    both = RetentionTopic("t", retention_ms=7 * DAY, retention_bytes=9 * GIB)
    assert readable(both, Cleaner(), Use(1, rate=10 * MIB)) == 1024 * 1000 + 300_000
    found = replica_bytes(both, Cleaner(), Use(1, rate=MIB / 1024))
    assert found and found.rule == "retention.ms"


def test_nothing_bounds_a_topic_that_keeps_all() -> None:
    everything = RetentionTopic("t", retention_ms=-1)
    assert readable(everything, Cleaner(), Use(1, rate=MIB)) is None
    assert replica_bytes(everything, Cleaner(), Use(1, rate=MIB)) is None


def test_a_log_that_is_also_compacted_is_deleted_from_by_the_cleaner_or_by_nobody() -> None:
    both = RetentionTopic("t", BOTH, retention_ms=DAY)
    assert expired(both, Cleaner()) == DAY + 15_000
    assert expired(both, Cleaner(enabled=False)) is None


def test_nothing_bounds_how_long_a_record_stays_that_passes_put_with_younger_ones() -> None:
    both = RetentionTopic("t", BOTH, retention_ms=DAY, retention_bytes=GIB)
    assert readable(both, Cleaner(), Use(1, rate=GIB)) is None
    found = replica_bytes(both, Cleaner(), Use(1))
    assert found and found.bytes == 2 * GIB, "but the log has a bound"


def test_compaction_needs_room_for_what_it_replaces() -> None:
    use = Use(4, rate=4 * MIB, keys=4 * MIB, record_bytes=100)
    found = replica_bytes(RetentionTopic("t", COMPACT), Cleaner(), use)
    assert found and found.bytes == 2 * 100 * MIB + 100 * MIB + GIB + 75 * MIB


def test_a_lag_bounds_how_long_an_old_value_stays() -> None:
    lag = RetentionTopic("t", COMPACT, max_lag=HOUR)
    assert superseded(lag, Cleaner(), Use(1)) == HOUR + 15_000
    assert tombstone_gone(lag, Cleaner(), Use(1)) == 2 * (HOUR + 15_000) + DAY
    assert superseded(RetentionTopic("t", COMPACT), Cleaner(), Use(1)) is None


def test_without_a_lag_the_dirty_share_decides_where_the_figures_are_known() -> None:
    use = Use(1, rate=MIB, keys=MIB, record_bytes=100)
    assert superseded(RetentionTopic("t", COMPACT), Cleaner(), use) == 100_000 + 1_024_000 + 15_000


def test_what_must_be_compacted_in_time_is_rolled_in_time() -> None:
    assert rolled(RetentionTopic("t", COMPACT, max_lag=HOUR), Use(1)) == HOUR
    assert rolled(RetentionTopic("t", max_lag=HOUR), Use(1)) == 7 * DAY


@pytest.mark.parametrize(
    ("use", "policy"),
    [
        (Use(1), "delete"),
        (Use(1, rate=1000, keys=1000, record_bytes=100), "compact"),
        (Use(1, rate=1000, keys=10_000_000, record_bytes=100), "delete"),
        (Use(1, rate=100_000_000, keys=10_000_000, record_bytes=100), "compact,delete"),
        (Use(2, rate=100_000_000, keys=10_000_000, record_bytes=100), "compact"),
    ],
)
def test_the_advice_weighs_keys_against_records_and_against_what_a_pass_holds(
    use: Use, policy: str
) -> None:
    assert advice(RetentionTopic("t"), Cleaner(), use).policy == policy


def test_the_plan_of_a_broker_is_that_of_its_replicas() -> None:
    found = plan(RetentionTopic("t", retention_bytes=GIB), Cleaner(), Use(3, {1: 2, 2: 1}))
    assert dict(found.brokers) == {1: 4 * GIB, 2: 2 * GIB}


def test_parameters_come_by_kafkas_names_and_what_is_missing_has_its_default() -> None:
    found = topic(
        "t",
        {
            "cleanup.policy": "compact, delete",
            "retention.bytes": "5",
            "min.cleanable.dirty.ratio": "0.1",
        },
    )
    assert found == RetentionTopic("t", BOTH, retention_bytes=5, dirty_ratio=0.1)
    assert topic("t", {}) == RetentionTopic("t")
    assert topic("t", {"max.compaction.lag.ms": str(FOREVER)}).max_lag == FOREVER
    assert cleaner({"log.cleaner.threads": "2", "log.cleaner.enable": "false"}, (4, 0)) == Cleaner(
        threads=2, enabled=False, version=(4, 0)
    )


def test_a_value_that_is_no_number_is_an_error_in_words() -> None:
    with pytest.raises(HactlError, match=r"retention\.ms=1d is no whole number"):
        topic("t", {"retention.ms": "1d"})


@settings(max_examples=60, deadline=None)
@given(
    segment_bytes=st.integers(20, 300),
    segment_ms=st.integers(5, 400),
    retention_ms=st.one_of(st.just(-1), st.integers(0, 400)),
    retention_bytes=st.one_of(st.just(-1), st.integers(0, 600)),
    delay=st.integers(0, 100),
    check=st.integers(1, 100),
    every=st.integers(2, 20),
    size=st.integers(1, 20),
)
def test_no_log_exceeds_its_plan(
    segment_bytes: int,
    segment_ms: int,
    retention_ms: int,
    retention_bytes: int,
    delay: int,
    check: int,
    every: int,
    size: int,
) -> None:
    if retention_ms < 0 and retention_bytes < 0:
        return
    log = RetentionTopic(
        "t", retention_ms=retention_ms, retention_bytes=retention_bytes, segment_bytes=segment_bytes,
        segment_ms=segment_ms, file_delete_delay=delay,
    )  # fmt: skip
    broker, use = Cleaner(check_interval=check), Use(1, rate=size / every * 1000)
    stayed, took = worst(log, broker, every, size, 1500)
    until, replica = readable(log, broker, use), replica_bytes(log, broker, use)
    assert until is not None and replica is not None
    assert (
        stayed <= until + 3 * every
    )  # a step of the simulation at each of the three ends: roll, append, look
    assert took <= replica.bytes + 4 * size
