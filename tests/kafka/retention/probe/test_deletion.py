"""The checks on retention: a correct log passes all of them, and each finds an incorrect log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.kafka.retention.model import Cleaner, RetentionTopic
from provision.kafka.retention.probe import deletion
from provision.kafka.retention.probe.deletion import AGE, SIZE
from provision.kafka.retention.probe.design import Design, Part, design
from provision.kafka.retention.probe.trace import ProbeTrace
from tests.kafka.retention.probe.simulation import Log, watched

DELETE = frozenset({"delete"})
BOTH = frozenset({"compact", "delete"})
EVENTS = RetentionTopic("events", retention_bytes=1 << 40)
BROKERS = Cleaner(check_interval=700, backoff=700)
CHECKS = {Part.AGE: AGE, Part.SIZE: SIZE}


def failed(plan: Design, part: Part, trace: ProbeTrace) -> list[str]:
    """The names of the checks that do not hold."""
    outcomes = (check(plan, trace) for check in CHECKS[part])
    return [outcome.check for outcome in outcomes if not outcome.ok]


@settings(max_examples=25, deadline=None)
@given(
    policies=st.sampled_from([DELETE, BOTH]),
    retention_ms=st.sampled_from([-1, 500, 20_000, 7 * 86_400_000]),
    retention_bytes=st.sampled_from([-1, 100_000, 1 << 40]),
    segment_ms=st.sampled_from([1_000, 7 * 86_400_000]),
    round_time=st.integers(300, 20_000),
)
def test_a_log_that_follows_kafkas_rules_passes_every_check(
    policies: frozenset[str],
    retention_ms: int,
    retention_bytes: int,
    segment_ms: int,
    round_time: int,
) -> None:
    topic = RetentionTopic(
        "t",
        policies,
        retention_ms=retention_ms,
        retention_bytes=retention_bytes,
        segment_ms=segment_ms,
    )
    if policies == DELETE and retention_ms < 0 and retention_bytes < 0:
        return
    plan = design(topic, Cleaner(check_interval=round_time, backoff=round_time))
    for part in plan.parts:
        if part is not Part.KEYS:
            trace = watched(plan, part)
            assert not failed(plan, part, trace), part
            assert deletion.aged(trace) if part is Part.AGE else deletion.shrunk(trace)


@pytest.mark.parametrize("policies", [DELETE, BOTH])
@pytest.mark.parametrize(
    ("part", "times", "check"),
    [
        (Part.AGE, {"retention_ms": 0.2}, "not too early"),
        (Part.AGE, {"retention_ms": 3}, "not too late"),
        (Part.AGE, {"retention_ms": -1}, "not too late"),
        (Part.SIZE, {"retention_bytes": 0.2}, "enough is left"),
        (Part.SIZE, {"retention_bytes": 6, "retention_ms": 9}, "the rest goes"),
        (Part.SIZE, {"retention_bytes": -1, "retention_ms": -1}, "first deletion"),
    ],
)
def test_brokers_that_deviate_from_the_plan_fail_a_check(
    policies: frozenset[str], part: Part, times: dict[str, float], check: str
) -> None:
    """The brokers keep the planned bounds multiplied by `times`; -1 is no bound."""
    plan = design(replace(EVENTS, policies=policies), BROKERS)
    real: dict[str, Any] = {
        key: int(getattr(plan.topic, key) * factor) if factor > 0 else -1
        for key, factor in times.items()
    }
    assert check in failed(plan, part, watched(plan, part, replace(plan.topic, **real)))


def test_brokers_that_never_delete_fail_the_checks() -> None:
    plan = design(EVENTS, BROKERS)
    idle = Cleaner(check_interval=10**9)
    trace = watched(plan, Part.AGE, cleaner=idle, log=_unbounded(plan))
    assert failed(plan, Part.AGE, trace) == ["earliest offset", "not too early", "not too late"]
    assert not deletion.aged(trace)


def _unbounded(plan: Design) -> Log:
    return Log(replace(plan.topic, retention_ms=-1, retention_bytes=-1))


def test_an_earliest_offset_within_a_segment_fails_a_check() -> None:
    plan = design(EVENTS, BROKERS)
    trace = watched(plan, Part.AGE)
    trace.looks[-1] = replace(trace.looks[-1], start=trace.looks[-1].start + 1)
    assert failed(plan, Part.AGE, trace) == ["earliest offset"]
