"""The checks on keyed data: a log kept by Kafka's rules passes each, and each tells a log that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic
from provision.kafka.retention.probe import compaction
from provision.kafka.retention.probe.compaction import CHECKS, Check
from provision.kafka.retention.probe.design import Design, Part, design
from provision.kafka.retention.probe.trace import Look, ProbeTrace, Round
from tests.kafka.retention.probe.simulation import Log, watched

COMPACT = frozenset({"compact"})
BOTH = frozenset({"compact", "delete"})
ORDERS = RetentionTopic("orders", COMPACT, min_lag=3_600_000)


def failed(made: Design, trace: ProbeTrace) -> list[str]:
    """The names of the checks that do not hold."""
    outcomes = (check(made, trace) for check in CHECKS)
    return [each.check for each in outcomes if each is not None and not each.well]


@settings(max_examples=25, deadline=None)
@given(
    policies=st.sampled_from([COMPACT, BOTH]),
    segment_ms=st.sampled_from([200, 1_000, 7 * 86_400_000]),
    min_lag=st.sampled_from([0, 2_000, 3_600_000]),
    max_lag=st.sampled_from([FOREVER, 7_200_000]),
    ratio=st.sampled_from([0.01, 0.5, 0.9]),
    delete_retention=st.sampled_from([0, 500, 86_400_000]),
    backoff=st.integers(300, 16_000),
)
def test_a_log_that_is_kept_by_kafkas_rules_passes_every_check(
    policies: frozenset[str],
    segment_ms: int,
    min_lag: int,
    max_lag: int,
    ratio: float,
    delete_retention: int,
    backoff: int,
) -> None:
    about = RetentionTopic(
        "t", policies, segment_ms=segment_ms, min_lag=min_lag, max_lag=max_lag, dirty_ratio=ratio,
        delete_retention=delete_retention,
    )  # fmt: skip
    made = design(about, Cleaner(backoff=backoff))
    trace = watched(made, Part.KEYS)
    assert not failed(made, trace)
    assert compaction.seen_all(trace)


@pytest.mark.parametrize(
    ("real", "check"),
    [
        ({"delete_retention": 0}, "tombstones go"),
        ({"delete_retention": 120_000}, "tombstones go"),
        ({"dirty_ratio": 0.999}, "older values go"),
        ({"min_lag": 0}, "older values go"),
        ({"policies": frozenset({"delete"}), "retention_ms": 5_000}, "earliest offset stays"),
    ],
)
def test_brokers_that_do_otherwise_than_planned_are_told(
    real: dict[str, object], check: str
) -> None:
    made = design(ORDERS, Cleaner(backoff=700, check_interval=700))
    assert check in failed(made, watched(made, Part.KEYS, replace(made.topic, **real)))  # type: ignore[arg-type]


def test_a_cleaner_that_does_nothing_is_told() -> None:
    made = design(ORDERS, Cleaner(backoff=700))
    trace = watched(made, Part.KEYS, side=Cleaner(enabled=False))
    assert failed(made, trace) == ["older values go", "tombstones go"]
    assert not compaction.seen_all(trace)


def test_a_cleaner_that_takes_the_active_segment_as_well_is_told() -> None:
    made = design(replace(ORDERS, min_lag=0), Cleaner(backoff=700))
    assert "active segment stays" in failed(
        made, watched(made, Part.KEYS, log=Log(made.topic, closed_only=False))
    )


def test_a_broker_that_takes_records_without_a_key_is_told() -> None:
    made = design(ORDERS, Cleaner(backoff=700))
    trace = watched(made, Part.KEYS)
    trace.keyless = ""
    assert failed(made, trace) == ["keyless is refused"]


def spoilt(change: Callable[[Look], Look]) -> list[str]:
    """The checks that do not hold where the last look is another."""
    made = design(ORDERS, Cleaner(backoff=700))
    trace = watched(made, Part.KEYS)
    trace.looks[-1] = change(trace.looks[-1])
    return failed(made, trace)


def test_a_last_value_that_is_gone_is_told() -> None:
    def without(look: Look) -> Look:
        return replace(
            look, records=tuple(each for each in look.records if each[1] != b"settled-3")
        )

    assert spoilt(without) == ["last values stay"]


def test_a_record_at_another_offset_is_told() -> None:
    def shifted(look: Look) -> Look:
        (offset, key, value), *rest = look.records
        return replace(look, records=((offset - 1, key, value), *rest))

    assert "offsets stay" in spoilt(shifted)


def test_another_order_is_told() -> None:
    assert "order stays" in spoilt(lambda look: replace(look, records=look.records[::-1]))


def test_a_deleted_key_that_comes_back_is_told() -> None:
    made = design(ORDERS, Cleaner(backoff=700))
    trace = watched(made, Part.KEYS)
    first = next(each for each in trace.written(1) if each.key == b"doomed-0")
    look = trace.looks[-1]
    trace.looks[-1] = replace(look, records=((first.offset, first.key, first.value), *look.records))
    assert "tombstones go" in failed(made, trace)


def test_of_a_round_that_took_too_long_only_the_last_record_is_surely_in_the_active_segment() -> (
    None
):
    made = design(ORDERS, Cleaner(backoff=700))
    trace = watched(made, Part.KEYS)
    slow = [replace(each, acked=each.acked + 10_000) for each in trace.rounds[-1].records]
    trace.rounds[-1] = Round(tuple(slow))
    look = trace.looks[-1]
    trace.looks[-1] = replace(look, records=look.records[:-2] + look.records[-1:])
    assert "active segment stays" not in failed(made, trace)


def test_every_check_was_seen_to_fail() -> None:
    """The cases above name each of them."""
    names = {outcome.check for check in CHECKS if (outcome := _outcome(check)) is not None}
    assert names == {
        "last values stay", "offsets stay", "order stays", "older values go", "tombstones go", "active segment stays",
        "keyless is refused", "earliest offset stays",
    }  # fmt: skip


def _outcome(check: Check) -> compaction.Outcome | None:
    made = design(ORDERS, Cleaner(backoff=700))
    return check(made, watched(made, Part.KEYS))
