"""The output of a plan as text and as JSON."""

from __future__ import annotations

import pytest

from provision.kafka.retention.model import FOREVER, GIB, Cleaner, RetentionTopic, Use
from provision.kafka.retention.plan import plan
from provision.kafka.retention.show import document, duration, lines, size

SMALL = RetentionTopic(
    "orders", retention_bytes=GIB, segment_ms=3_600_000, timestamp_after_max=3_600_000
)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (500, "0.5 s"),
        (59_999, "59.999 s"),
        (60_000, "1 min"),
        (61_000, "2 min"),
        (3_600_000, "1 h"),
        (3_600_001, "1 h 1 min"),
        (7_199_999, "2 h"),
        (86_400_000, "1 d"),
        (90_000_001, "1 d 2 h"),
        (None, "no bound"),
        (FOREVER, "no bound"),
    ],
)
def test_durations_are_rounded_up(ms: int | None, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (11 * GIB, "11.0 GiB"), (None, "no bound")]
)
def test_sizes_have_binary_units(count: int | None, text: str) -> None:
    assert size(count) == text


def test_a_plan_fits_into_a_terminal_and_names_brokers_with_too_little_room() -> None:
    result = plan(SMALL, Cleaner(), Use(2, {1: 2, 2: 1}))
    shown = [line for line, _ in lines(result, {1: GIB, 2: 9 * GIB})]
    assert all(len(line) <= 80 for line in shown)
    assert "  all on broker 1                4.0 GiB, but there is room for only 1.0 GiB" in shown
    assert "  all on broker 2                2.0 GiB" in shown
    assert not result.fits({1: GIB, 2: 9 * GIB})
    assert result.fits({1: 4 * GIB, 2: 9 * GIB})


def test_unknown_room_is_shown_as_unknown() -> None:
    result = plan(SMALL, Cleaner(), Use(2, {1: 2, 2: 1}))
    room = {1: None}
    shown = [line for line, _ in lines(result, room)]
    assert "  all on broker 1                4.0 GiB; room unknown (before 3.3)" in shown
    assert "  all on broker 2                2.0 GiB; room unknown (no answer)" in shown
    assert max(map(len, shown)) <= 80
    assert (result.fits(room), result.unseen(room)) == (True, (2,))
    json = document(result, room)
    assert (json["room_bytes"], json["unseen"]) == ({"1": None, "2": None}, [2])


def test_a_plan_that_kafka_would_refuse_does_not_fit() -> None:
    assert not plan(
        RetentionTopic("t", frozenset({"compact"}), min_lag=2, max_lag=1), Cleaner(), Use(1)
    ).fits({})


def test_a_compacted_topic_has_lines_about_compaction() -> None:
    shown = "\n".join(
        line
        for line, _ in lines(
            plan(RetentionTopic("t", frozenset({"compact"})), Cleaner(), Use(1)), {}
        )
    )
    assert "keys that one pass can hold    5033164" in shown
    assert "a tombstone can be read for    1 d after its first pass" in shown
    assert "a record can be read" not in shown


def test_the_document_has_null_where_there_is_no_bound() -> None:
    json = document(plan(RetentionTopic("t", retention_ms=-1), Cleaner(), Use(1)), {})
    assert (json["replica_bytes"], json["readable_ms"]) == (None, None)
    assert "unbounded" in [item["rule"] for item in json["contradictions"]]


def test_a_topic_with_both_policies_shows_why_a_record_has_no_bound() -> None:
    both = RetentionTopic("t", frozenset({"compact", "delete"}))
    shown = [line for line, _ in lines(plan(both, Cleaner(), Use(1)), {})]
    assert "  a record can be read for       no bound: passes merge it with newer records" in shown
