"""The time axis of a picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.drills.report.axis import Axis, close_up, whole
from tests.drills.report.build import drill, timeline


@given(st.floats(-60, 0), st.floats(0.01, 120))
def test_ticks_are_few_lie_on_the_axis_and_include_the_injection(start: float, end: float) -> None:
    axis = Axis(start, end)
    ticks = list(axis.ticks())
    assert 1 <= len(ticks) <= 8
    assert 0.0 in ticks
    assert all(start - 1e-6 <= tick <= end + 1e-6 for tick in ticks)


def test_a_moment_has_its_place_on_the_axis() -> None:
    axis = Axis(-2, 8)
    assert (axis.percent(0), axis.unit(3), axis.percent(99)) == ("20.00%", 1000, "100.00%")


def test_the_close_up_shows_the_bound_the_outage_and_the_new_holder() -> None:
    close = close_up(drill(timeline=timeline(outage=0.6, end=45)), timeline(outage=0.6, end=45))
    assert close is not None
    assert close.start < 0
    assert 0.722 < close.end < 2


def test_a_short_drill_has_no_close_up() -> None:
    short = replace(timeline(outage=2.9, end=4.0), spans=())
    assert close_up(drill(timeline=short), short) is None
    axis = whole(short)
    assert axis.start == -2.0
    assert axis.end == pytest.approx(4.0, abs=0.01)
