"""The table in the terminal: at most 80 columns, a row for each drill, messages below it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from provision.core.terminal import DIM, GREEN, RED, WIDTH
from provision.drills.registry import NAMES
from provision.drills.report.sparkline import ASCII, BLOCKS
from provision.drills.report.terminal import lines
from provision.drills.result import DrillResult, Survival
from tests.drills.report.build import drill, drills, timeline


def text(*results: DrillResult, blocks: str = BLOCKS) -> list[str]:
    return [line for line, _ in lines(drills(*results), blocks)]


def test_a_drill_is_a_row_with_its_figures_and_a_sparkline() -> None:
    assert text(drill("power-cut")) == [
        "                  outage   failed slowest open at",
        "drill          /bound ms     /all      ms the end over time",
        "power-cut pass   605/722 120/2400    1043 200/200 ▂▂▂▂██▂▃▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂",
        "",
        "Drills: 1 passed. Noise floor: median 0.9 ms, p99 4.1 ms, slowest 11 ms.",
    ]


def test_messages_of_a_drill_stand_below_it() -> None:
    shown = text(
        drill("failback", ok=False, messages=("the slowest request took 250 ms",)),
        drill("link-down"),
    )
    row = next(index for index, line in enumerate(shown) if line.startswith("failback"))
    assert " FAIL " in shown[row]
    assert shown[row + 1] == "    the slowest request took 250 ms"
    assert shown[row + 2].startswith("link-down")
    assert shown[-2].startswith("Drills: 1 passed, 1 failed. ")


def test_a_skipped_drill_has_its_reason_and_is_dim() -> None:
    shown = list(lines(drills(drill("link-down", skipped="only in a lab")), BLOCKS))
    assert ("link-down skip only in a lab", DIM) in shown


def test_the_colour_shows_the_verdict() -> None:
    colours = {
        line.split(" ")[0]: colour
        for line, colour in lines(drills(drill("failback"), drill("link-down", ok=False)))
    }
    assert (colours["failback"], colours["link-down"]) == (GREEN, RED)


def test_front_ends_are_named_if_there_are_several() -> None:
    assert not any("front end" in line for line in text(drill()))
    shown = text(drill(), drill(frontend="api"))
    assert [line for line in shown if line.startswith("front end")] == [
        "front end web",
        "front end api",
    ]


def test_without_unicode_only_ascii_is_printed() -> None:
    shown = text(drill(bound_ms=None, slowest_ms=None), drill(noise=None), blocks=ASCII)
    assert all(line.isascii() for line in shown)


def test_a_message_cannot_move_the_cursor() -> None:
    assert "\x1b" not in "".join(text(drill(messages=("evil \x1b[2J\r text",))))


figures = st.none() | st.floats(0, 99_999)


@settings(deadline=None)
@given(
    st.sampled_from(NAMES),
    st.text(max_size=200),
    figures,
    figures,
    figures,
    st.integers(0, 99_999),
    st.booleans(),
)
def test_nothing_is_wider_than_the_screen(
    name: str,
    message: str,
    outage: float | None,
    bound: float | None,
    slowest: float | None,
    count: int,
    skip: bool,
) -> None:
    result = drill(
        name,
        messages=(message,),
        outage_ms=outage,
        bound_ms=bound,
        slowest_ms=slowest,
        requests=count,
        failed_requests=count,
        connections=Survival(2000, 2000),
        skipped=message if skip else None,
        timeline=timeline(end=1, cadence=0.1),
    )
    assert all(len(line) <= WIDTH for line in text(result))
