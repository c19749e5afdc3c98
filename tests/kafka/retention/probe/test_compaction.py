"""The checks on keyed data: a correct log passes all of them, and each finds an incorrect log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic
from provision.kafka.retention.probe import compaction
from provision.kafka.retention.probe.compaction import CHECKS, Check
from provision.kafka.retention.probe.design import Design, Part, design
from provision.kafka.retention.probe.outcome import ProbeOutcome
from provision.kafka.retention.probe.trace import Look, ProbeTrace, Round
from tests.kafka.retention.probe.simulation import Log, watched

COMPACT = frozenset({"compact"})
BOTH = frozenset({"compact", "delete"})
ORDERS = RetentionTopic("orders", COMPACT, min_lag=3_600_000)


def failed(plan: Design, trace: ProbeTrace) -> list[str]:
    """The names of the checks that do not hold."""
    outcomes = (check(plan, trace) for check in CHECKS)
    return [outcome.check for outcome in outcomes if outcome is not None and not outcome.ok]


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
def test_a_log_that_follows_kafkas_rules_passes_every_check(
    policies: frozenset[str],
    segment_ms: int,
    min_lag: int,
    max_lag: int,
    ratio: float,
    delete_retention: int,
    backoff: int,
) -> None:
    topic = RetentionTopic(
        "t",
        policies,
        segment_ms=segment_ms,
        min_lag=min_lag,
        max_lag=max_lag,
        dirty_ratio=ratio,
        delete_retention=delete_retention,
    )
    plan = design(topic, Cleaner(backoff=backoff))
    trace = watched(plan, Part.KEYS)
    assert not failed(plan, trace)
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
def test_brokers_that_deviate_from_the_plan_fail_a_check(real: dict[str, Any], check: str) -> None:
    plan = design(ORDERS, Cleaner(backoff=700, check_interval=700))
    assert check in failed(plan, watched(plan, Part.KEYS, replace(plan.topic, **real)))


def test_a_cleaner_that_does_nothing_fails_two_checks() -> None:
    plan = design(ORDERS, Cleaner(backoff=700))
    trace = watched(plan, Part.KEYS, cleaner=Cleaner(enabled=False))
    assert failed(plan, trace) == ["older values go", "tombstones go"]
    assert not compaction.seen_all(trace)


def test_a_cleaner_that_compacts_the_active_segment_fails_a_check() -> None:
    plan = design(replace(ORDERS, min_lag=0), Cleaner(backoff=700))
    assert "active segment stays" in failed(
        plan, watched(plan, Part.KEYS, log=Log(plan.topic, closed_only=False))
    )


def test_a_broker_that_accepts_records_without_a_key_fails_a_check() -> None:
    plan = design(ORDERS, Cleaner(backoff=700))
    trace = watched(plan, Part.KEYS)
    trace.keyless = ""
    assert failed(plan, trace) == ["keyless is refused"]


def failed_with(change: Callable[[Look], Look]) -> list[str]:
    """The checks that do not hold after a change of the last look."""
    plan = design(ORDERS, Cleaner(backoff=700))
    trace = watched(plan, Part.KEYS)
    trace.looks[-1] = change(trace.looks[-1])
    return failed(plan, trace)


def test_a_missing_last_value_fails_a_check() -> None:
    def without(look: Look) -> Look:
        return replace(
            look, records=tuple(record for record in look.records if record[1] != b"settled-3")
        )

    assert failed_with(without) == ["last values stay"]


def test_a_record_at_another_offset_fails_a_check() -> None:
    def shifted(look: Look) -> Look:
        (offset, key, value), *others = look.records
        return replace(look, records=((offset - 1, key, value), *others))

    assert "offsets stay" in failed_with(shifted)


def test_another_order_fails_a_check() -> None:
    assert "order stays" in failed_with(lambda look: replace(look, records=look.records[::-1]))


def test_a_deleted_key_that_comes_back_fails_a_check() -> None:
    plan = design(ORDERS, Cleaner(backoff=700))
    trace = watched(plan, Part.KEYS)
    first = next(record for record in trace.written(1) if record.key == b"doomed-0")
    look = trace.looks[-1]
    trace.looks[-1] = replace(look, records=((first.offset, first.key, first.value), *look.records))
    assert "tombstones go" in failed(plan, trace)


def test_only_the_last_record_of_a_slow_round_must_be_in_the_active_segment() -> None:
    plan = design(ORDERS, Cleaner(backoff=700))
    trace = watched(plan, Part.KEYS)
    slow = [replace(record, acked=record.acked + 10_000) for record in trace.rounds[-1].records]
    trace.rounds[-1] = Round(tuple(slow))
    look = trace.looks[-1]
    trace.looks[-1] = replace(look, records=look.records[:-2] + look.records[-1:])
    assert "active segment stays" not in failed(plan, trace)


def test_every_check_has_a_case_in_which_it_fails() -> None:
    """The cases above have these names."""
    names = {outcome.check for check in CHECKS if (outcome := _outcome(check)) is not None}
    assert names == {
        "last values stay",
        "offsets stay",
        "order stays",
        "older values go",
        "tombstones go",
        "active segment stays",
        "keyless is refused",
        "earliest offset stays",
    }


def _outcome(check: Check) -> ProbeOutcome | None:
    plan = design(ORDERS, Cleaner(backoff=700))
    return check(plan, watched(plan, Part.KEYS))
