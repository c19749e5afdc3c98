"""The time axis of a picture: a period of time laid out from left to right. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from provision.drills.result import DrillResult, Timeline

UNITS = 2000
"""Width of the drawing in its own units; the browser stretches it to the width of the page."""


@dataclass(frozen=True)
class Axis:
    """From `start` to `end`, in seconds from the injection."""

    start: float
    end: float

    @property
    def length(self) -> float:
        """The length in seconds, never 0."""
        return max(self.end - self.start, 1e-3)

    def holds(self, at: float) -> bool:
        """Whether a moment is on the axis."""
        return self.start <= at <= self.end

    def part(self, at: float) -> float:
        """The place of a moment, from 0 to 1; a moment outside is at the edge."""
        return min(1.0, max(0.0, (at - self.start) / self.length))

    def unit(self, at: float) -> int:
        """The place of a moment in units of the drawing."""
        return round(self.part(at) * UNITS)

    def percent(self, at: float) -> str:
        """The place of a moment as SVG writes it: `12.5%`."""
        return f"{self.part(at) * 100:.2f}%"

    def ticks(self) -> Iterator[float]:
        """About six round moments; 0 is among them if it is on the axis."""
        step = _round_step(self.length / 6)
        for count in range(
            math.ceil(self.start / step - 1e-9), math.floor(self.end / step + 1e-9) + 1
        ):
            yield count * step


def _round_step(minimum: float) -> float:
    """The next larger number that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(minimum))
    return next(
        (factor * power for factor in (1, 2, 5) if factor * power >= minimum * 0.999), 10 * power
    )


def whole(timeline: Timeline) -> Axis:
    """The axis of the whole recording."""
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
    """The axis from the fault to its effects before the undoing.

    None where that is most of the recording.
    """
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
    axis = Axis(max(full.start, -0.25 * reach), min(full.end, reach))
    return axis if axis.length < 0.6 * full.length else None
