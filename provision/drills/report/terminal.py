"""The drills as a table of at most 80 columns, with each drill's messages below its row. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from provision.core.terminal import BOLD, DIM, GREEN, RED, WIDTH, Line, wrapped
from provision.drills.report.format import (
    VERDICTS,
    count_verdicts,
    frontends,
    milliseconds,
    noise_floor,
    passed,
)
from provision.drills.report.sparkline import levels, sparkline
from provision.drills.result import DrillResult, Drills

HEADINGS = (
    ("", "", "outage", "failed", "slowest", "open at"),
    ("drill", "", "/bound ms", "/all", "ms", "the end"),
)
MIN_SPARKLINE, MAX_SPARKLINE = 6, 24
"""Characters of a sparkline."""

COLOURS = {True: GREEN, False: RED, None: DIM}


def lines(drills: Drills, blocks: str = "") -> Iterator[Line]:
    """The table, with messages below their drills, then the counts and the noise floor.

    `blocks` are the eight characters of the sparklines; the default is those that standard output
    can print.
    """
    blocks = blocks or levels(sys.stdout.encoding)
    rows = {id(drill): _row(drill) for drill in drills.drills if drill.skipped is None}
    longest_name = max((len(drill.name) for drill in drills.drills), default=5)
    widths = [max(map(len, column)) for column in zip(*HEADINGS, *rows.values(), strict=True)]
    widths[0] = max(widths[0], longest_name)
    room = min(MAX_SPARKLINE, WIDTH - sum(widths) - len(widths))
    over_time = "over time" if room >= len("over time") else ""
    groups = frontends(drills)
    for frontend in groups:
        if len(groups) > 1:
            yield f"front end {frontend}", BOLD
        yield _cells(HEADINGS[0], widths), DIM
        yield f"{_cells(HEADINGS[1], widths)} {over_time}".rstrip(), DIM
        for drill in drills.drills:
            if drill.frontend == frontend:
                yield from _drill(
                    drill, rows.get(id(drill)), widths, sparkline(drill.timeline, room, blocks)
                )
        yield "", ""
    yield from _last(drills, ascii_only=blocks.isascii())


def _row(drill: DrillResult) -> tuple[str, ...]:
    kept = drill.connections
    return (
        drill.name,
        VERDICTS[passed(drill)],
        f"{_plain(drill.outage_ms)}/{_plain(drill.bound_ms)}",
        f"{drill.failed_requests}/{drill.requests}",
        _plain(drill.slowest_ms),
        f"{kept.survived}/{kept.established}",
    )


def _plain(value: float | None) -> str:
    return "-" if value is None else milliseconds(value)


def _cells(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The cells of a row: words aligned to the left, figures to the right."""
    name, verdict, *figures = cells
    words = f"{name:<{widths[0]}} {verdict:<{widths[1]}}"
    return " ".join(
        [words, *(f"{cell:>{width}}" for cell, width in zip(figures, widths[2:], strict=True))]
    )


def _drill(
    drill: DrillResult, row: Sequence[str] | None, widths: Sequence[int], line: str
) -> Iterator[Line]:
    if row is None:
        yield from _paragraph(f"{drill.name:<{widths[0]}} skip {drill.skipped}", DIM, widths[0] + 6)
    else:
        cells = _cells(row, widths)
        shown = f"{cells} {line}" if len(line) >= MIN_SPARKLINE else cells
        yield shown.rstrip(), COLOURS[passed(drill)]
    for message in drill.messages:
        yield from _paragraph(f"    {message}", "" if drill.ok else RED, 4)


def _paragraph(text: str, colour: str, indent: int) -> Iterator[Line]:
    """A text wrapped to the width, without control characters."""
    head = len(text) - len(text.lstrip())
    clean = "".join(character if character.isprintable() else " " for character in text[head:])
    return wrapped(clean, colour, first=" " * head, rest=" " * indent)


def _last(drills: Drills, *, ascii_only: bool) -> Iterator[Line]:
    floor = noise_floor(drills.drills)
    text = f"Drills: {count_verdicts(drills.drills)}." + (
        f" {floor[0].upper()}{floor[1:]}." if floor else ""
    )
    yield from _paragraph(text.replace("–", "-") if ascii_only else text, BOLD, 2)
