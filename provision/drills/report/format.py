"""Formatting of figures, the same in the terminal, in JUnit and on the page."""

from __future__ import annotations

from collections.abc import Sequence

from provision.drills.result import DrillResult, Drills

VERDICTS = {True: "pass", False: "FAIL", None: "skip"}


def passed(drill: DrillResult) -> bool | None:
    """Whether a drill passed; None for a skipped drill."""
    return None if drill.skipped is not None else drill.ok


def milliseconds(value: float | None) -> str:
    """A duration in ms: one decimal below 10 ms, none above; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:.0f}"


def format_ms(value: float | None) -> str:
    """A duration with its unit: `4.2 ms`, `612 ms`; `12.30 s` from 10 s on; `none` for None."""
    if value is None:
        return "none"
    return f"{value / 1000:.2f} s" if value >= 10_000 else f"{milliseconds(value)} ms"


def counted(count: int, noun: str) -> str:
    """`1 drill`, `2 drills`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def frontends(drills: Drills) -> tuple[str, ...]:
    """The front ends of a run, in the order in which they first appear."""
    return tuple(dict.fromkeys(drill.frontend for drill in drills.drills))


def count_verdicts(drills: Sequence[DrillResult]) -> str:
    """How many drills passed, failed and were skipped: `9 passed, 1 failed, 1 skipped`."""
    verdicts = [passed(drill) for drill in drills]
    names = {True: "passed", False: "failed", None: "skipped"}
    counts = [f"{verdicts.count(kind)} {name}" for kind, name in names.items() if kind in verdicts]
    return ", ".join(counts) or "none was run"


def noise_floor(drills: Sequence[DrillResult]) -> str:
    """The noise floor over all drills, as a range; empty where none was measured."""
    floors = [drill.noise for drill in drills if drill.noise and drill.noise.requests]
    if not floors:
        return ""
    median = _range([floor.median_ms for floor in floors])
    p99 = _range([floor.p99_ms for floor in floors])
    slowest = format_ms(max(floor.slowest_ms for floor in floors))
    return f"noise floor: median {median}, p99 {p99}, slowest {slowest}"


def _range(values: Sequence[float]) -> str:
    low, high = milliseconds(min(values)), milliseconds(max(values))
    return f"{low} ms" if low == high else f"{low}–{high} ms"
