"""The plan of a topic: known figures, and bounds that a simulated log never exceeds."""

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


def test_a_pass_of_a_default_cleaner_holds_five_million_keys() -> None:
    assert keys_per_pass(Cleaner()) == 5_033_164


def test_cleaner_threads_share_the_buffer() -> None:
    assert keys_per_pass(Cleaner(threads=4)) == 1_258_290
    assert passes(Cleaner(threads=4), Use(2, keys=3_000_000)) == 2


def test_a_partition_grows_to_its_bound_and_one_segment() -> None:
    result = replica_bytes(
        RetentionTopic("t", retention_bytes=10 * GIB, retention_ms=-1), Cleaner(), Use(3)
    )
    assert result and (result.bytes, result.rule) == (11 * GIB, "retention.bytes")


def test_bytes_that_are_written_until_the_files_are_deleted_count() -> None:
    result = replica_bytes(
        RetentionTopic("t", retention_bytes=GIB, retention_ms=-1), Cleaner(), Use(2, rate=2 * MIB)
    )
    # 300 s between two checks, 60 s until the files are deleted
    assert result and result.bytes == 2 * GIB + 360 * MIB


def test_the_first_record_of_a_segment_stays_longer_by_the_time_of_the_segment() -> None:
    slow = readable(RetentionTopic("t"), Cleaner(), Use(1, rate=1))
    assert slow == 7 * DAY + 7 * DAY + 300_000
    fast = readable(RetentionTopic("t"), Cleaner(), Use(1, rate=GIB))
    assert fast == 1000 + 7 * DAY + 300_000


def test_the_bound_that_is_met_first_counts() -> None:
    both = RetentionTopic("t", retention_ms=7 * DAY, retention_bytes=9 * GIB)
    assert readable(both, Cleaner(), Use(1, rate=10 * MIB)) == 1024 * 1000 + 300_000
    result = replica_bytes(both, Cleaner(), Use(1, rate=MIB / 1024))
    assert result and result.rule == "retention.ms"


def test_a_topic_that_keeps_everything_has_no_bound() -> None:
    everything = RetentionTopic("t", retention_ms=-1)
    assert readable(everything, Cleaner(), Use(1, rate=MIB)) is None
    assert replica_bytes(everything, Cleaner(), Use(1, rate=MIB)) is None


def test_only_the_cleaner_deletes_from_a_compacted_log() -> None:
    both = RetentionTopic("t", BOTH, retention_ms=DAY)
    assert expired(both, Cleaner()) == DAY + 15_000
    assert expired(both, Cleaner(enabled=False)) is None


def test_a_record_of_a_compacted_log_has_no_bound_but_the_log_has() -> None:
    both = RetentionTopic("t", BOTH, retention_ms=DAY, retention_bytes=GIB)
    assert readable(both, Cleaner(), Use(1, rate=GIB)) is None
    result = replica_bytes(both, Cleaner(), Use(1))
    assert result and result.bytes == 2 * GIB


def test_compaction_needs_room_for_the_files_that_it_replaces() -> None:
    use = Use(4, rate=4 * MIB, keys=4 * MIB, record_bytes=100)
    result = replica_bytes(RetentionTopic("t", COMPACT), Cleaner(), use)
    assert result and result.bytes == 2 * 100 * MIB + 100 * MIB + GIB + 75 * MIB


def test_a_compaction_lag_bounds_how_long_an_older_value_stays() -> None:
    lag = RetentionTopic("t", COMPACT, max_lag=HOUR)
    assert superseded(lag, Cleaner(), Use(1)) == HOUR + 15_000
    assert tombstone_gone(lag, Cleaner(), Use(1)) == 2 * (HOUR + 15_000) + DAY
    assert superseded(RetentionTopic("t", COMPACT), Cleaner(), Use(1)) is None


def test_without_a_lag_the_dirty_share_decides_if_the_use_is_known() -> None:
    use = Use(1, rate=MIB, keys=MIB, record_bytes=100)
    assert superseded(RetentionTopic("t", COMPACT), Cleaner(), use) == 100_000 + 1_024_000 + 15_000


def test_a_compaction_lag_also_bounds_the_time_of_a_segment() -> None:
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
def test_the_advice_compares_the_keys_with_the_records_and_with_the_capacity_of_a_pass(
    use: Use, policy: str
) -> None:
    assert advice(RetentionTopic("t"), Cleaner(), use).policy == policy


def test_the_bytes_on_a_broker_are_those_of_its_replicas() -> None:
    result = plan(RetentionTopic("t", retention_bytes=GIB), Cleaner(), Use(3, {1: 2, 2: 1}))
    assert dict(result.brokers) == {1: 4 * GIB, 2: 2 * GIB}


def test_a_missing_parameter_has_kafkas_default() -> None:
    result = topic(
        "t",
        {
            "cleanup.policy": "compact, delete",
            "retention.bytes": "5",
            "min.cleanable.dirty.ratio": "0.1",
        },
    )
    assert result == RetentionTopic("t", BOTH, retention_bytes=5, dirty_ratio=0.1)
    assert topic("t", {}) == RetentionTopic("t")
    assert topic("t", {"max.compaction.lag.ms": str(FOREVER)}).max_lag == FOREVER
    assert cleaner({"log.cleaner.threads": "2", "log.cleaner.enable": "false"}, (4, 0)) == Cleaner(
        threads=2, enabled=False, version=(4, 0)
    )


def test_a_value_that_is_no_number_is_an_error() -> None:
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
    interval=st.integers(2, 20),
    size=st.integers(1, 20),
)
def test_no_log_exceeds_its_plan(
    segment_bytes: int,
    segment_ms: int,
    retention_ms: int,
    retention_bytes: int,
    delay: int,
    check: int,
    interval: int,
    size: int,
) -> None:
    if retention_ms < 0 and retention_bytes < 0:
        return
    log = RetentionTopic(
        "t",
        retention_ms=retention_ms,
        retention_bytes=retention_bytes,
        segment_bytes=segment_bytes,
        segment_ms=segment_ms,
        file_delete_delay=delay,
    )
    broker, use = Cleaner(check_interval=check), Use(1, rate=size / interval * 1000)
    longest, most = worst(log, broker, interval, size, 1500)
    bound, replica = readable(log, broker, use), replica_bytes(log, broker, use)
    assert bound is not None and replica is not None
    # The simulation may add a step for each of roll, append and check.
    assert longest <= bound + 3 * interval
    assert most <= replica.bytes + 4 * size
