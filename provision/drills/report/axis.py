"""A stretch of time and how it is laid out from left to right. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from provision.drills.result import DrillResult, Timeline

UNITS = 2000
"""Width of the drawing in its own units; the browser stretches it to what there is room for."""


@dataclass(frozen=True)
class Axis:
    """From `start` to `end`, in seconds from the injection."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """Seconds, never 0."""
        return max(self.end - self.start, 1e-3)

    def holds(self, at: float) -> bool:
        """Whether a moment is within it."""
        return self.start <= at <= self.end

    def part(self, at: float) -> float:
        """Where a moment is, from 0 to 1; what is outside is at the edge."""
        return min(1.0, max(0.0, (at - self.start) / self.length))

    def unit(self, at: float) -> int:
        """Where it is in units of the drawing."""
        return round(self.part(at) * UNITS)

    def percent(self, at: float) -> str:
        """Where it is as SVG has it: `12.5%`."""
        return f"{self.part(at) * 100:.2f}%"

    def ticks(self) -> Iterator[float]:
        """Round moments, about six of them, 0 one of them where it is within."""
        step = _round_step(self.length / 6)
        for count in range(
            math.ceil(self.start / step - 1e-9), math.floor(self.end / step + 1e-9) + 1
        ):
            yield count * step


def _round_step(least: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(
        (factor * power for factor in (1, 2, 5) if factor * power >= least * 0.999), 10 * power
    )


def whole(timeline: Timeline) -> Axis:
    """All that was recorded."""
    starts = [
        0.0,
        *(request.start for request in timeline.requests),
        *(span.start for span in timeline.spans),
    ]
    ends = [
        0.0,
        *(request.start for request in timeline.requests),
        *(span.end for span in timeline.spans),
    ]
    marks = [mark.at for mark in timeline.marks]
    return Axis(min(starts + marks), max(ends + marks + [min(starts) + 1.0]))


def close_up(drill: DrillResult, timeline: Timeline) -> Axis | None:
    """The fault and what came of it until it was undone; None where that is most of what was recorded anyway."""
    full = whole(timeline)
    undone = next((mark.at for mark in timeline.marks if mark.text == "undone"), full.end)
    moments = [(drill.bound_ms or 0.0) / 1000, (drill.outage_ms or 0.0) / 1000]
    moments += [
        edge for span in timeline.spans if span.kind == "holder" for edge in (span.start, span.end)
    ]
    moments += [mark.at for mark in timeline.marks]
    moments += [
        request.start for request in timeline.requests if request.error or request.done is None
    ]
    reach = 1.25 * max([0.8, *(moment for moment in moments if moment < undone - 0.05)])
    found = Axis(max(full.start, -0.25 * reach), min(full.end, reach))
    return found if found.length < 0.6 * full.length else None
