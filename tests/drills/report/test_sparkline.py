"""A line of blocks: the slower an answer, the higher the block; the highest is a failure."""

from __future__ import annotations

import pytest

from provision.drills.report.sparkline import ASCII, BLOCKS, levels, sparkline
from provision.drills.result import Timeline
from provision.prober.record import Request


def recorded(*times_ms: float | None) -> Timeline:
    return Timeline(
        requests=tuple(
            Request(0, float(second), None, None, "timeout")
            if time is None
            else Request(0, float(second), time / 2000, time / 1000)
            for second, time in enumerate(times_ms)
        )
    )


def test_slower_answers_are_higher_and_a_failure_is_highest() -> None:
    assert sparkline(recorded(1, 3, 10, 30, 100, 300, 1000, None), 8) == "▁▂▃▄▅▆▇█"


def test_a_failure_shows_among_many_good_requests() -> None:
    assert sparkline(recorded(1, 1, None, 1, 1, 1, 1, 1), 2) == "█▁"


def test_a_period_without_requests_is_blank() -> None:
    gap = Timeline(requests=(Request(0, 0.0, 0.001, 0.001), Request(0, 10.0, 0.001, 0.001)))
    assert sparkline(gap, 5) == "▁   ▁"


def test_without_requests_there_is_no_line() -> None:
    assert sparkline(None, 8) == sparkline(Timeline(), 8) == ""


@pytest.mark.parametrize(
    ("encoding", "characters"),
    [("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("nonsense", ASCII)],
)
def test_only_characters_that_the_stream_can_print_are_used(
    encoding: str | None, characters: str
) -> None:
    assert levels(encoding) == characters
