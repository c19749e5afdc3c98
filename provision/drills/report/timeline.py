"""The picture of a drill: lanes over one time axis, and lines through all lanes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from provision.drills.report import swimlanes
from provision.drills.report.axis import UNITS, Axis
from provision.drills.report.format import format_ms
from provision.drills.report.svg import tag, title
from provision.drills.report.swimlanes import Lane
from provision.drills.result import DrillResult, Span, Timeline

MAX_SERVICES = 4
"""Services that get a lane; services with failed requests come first."""


def picture(
    drill: DrillResult, timeline: Timeline, axis: Axis, directors: Sequence[str], description: str
) -> tuple[str, str]:
    """Two SVG documents of the same height: the names, and the plot, which takes any width.

    `description` describes the plot for readers who cannot see it.
    """
    lanes = [lane for lane in _lanes(drill, timeline, axis, directors) if lane is not None]
    height = sum(lane.height for lane in lanes)
    names, shapes, words = _stack(lanes)
    background = _background(drill, timeline, axis, lanes[0].height, height - 18)
    stretched = tag(
        "svg",
        *background,
        *shapes,
        viewBox=f"0 0 {UNITS} {height:g}",
        preserveAspectRatio="none",
        width="100%",
        height=height,
        class_="shapes",
    )
    heading = f"{drill.name} from {axis.start:.1f} s to {axis.end:.1f} s after the injection"
    plot = tag(
        "svg",
        title(heading),
        tag("desc", escape(description)),
        stretched,
        *words,
        class_="plot",
        role="img",
        width="100%",
        height=height,
        data_start=axis.start,
        data_end=axis.end,
    )
    return tag("svg", *names, class_="names", width="100%", height=height, aria_hidden="true"), plot


def _stack(lanes: Sequence[Lane]) -> tuple[list[str], list[str], list[str]]:
    """The names, shapes and words of the lanes, each lane below the lane before it."""
    y, names, shapes, words = 0.0, list[str](), list[str](), list[str]()
    for lane in lanes:
        move = f"translate(0 {y:g})"
        for layer, elements in ((names, lane.names), (shapes, lane.shapes), (words, lane.words)):
            layer.append(tag("g", *elements, transform=move) if elements else "")
        y += lane.height
    return names, shapes, words


def _lanes(
    drill: DrillResult, timeline: Timeline, axis: Axis, directors: Sequence[str]
) -> Iterator[Lane | None]:
    yield swimlanes.marks_lane(axis, timeline.marks)
    yield swimlanes.bound_lane(axis, drill)
    for service in _services(timeline):
        yield swimlanes.requests_lane(axis, timeline, service, drill.noise)
    for vip in dict.fromkeys(span.value for span in timeline.spans if span.kind == "holder"):
        yield swimlanes.holder_lane(axis, timeline.spans, vip, directors)
    yield swimlanes.adverts_lane(axis, timeline, directors)
    yield swimlanes.health_lane(axis, timeline.spans, directors)
    yield swimlanes.seconds_lane(axis)


def _services(timeline: Timeline) -> list[int]:
    """The services to draw, in their order."""
    services = sorted({request.service for request in timeline.requests})
    failing = {
        request.service for request in timeline.requests if request.error or request.done is None
    }
    return sorted(sorted(services, key=lambda service: service not in failing)[:MAX_SERVICES])


def _background(
    drill: DrillResult, timeline: Timeline, axis: Axis, top: float, bottom: float
) -> Iterator[str]:
    """The bound as a band through all lanes, the seconds as thin lines, the marks as bold lines."""
    if drill.bound_ms is not None:
        width = axis.unit(drill.bound_ms / 1000) - axis.unit(0)
        yield tag(
            "rect",
            title(f"bound: {format_ms(drill.bound_ms)} from the injection"),
            x=axis.unit(0),
            y=top,
            width=max(width, 1),
            height=bottom - top,
            class_="band",
        )
    for tick in axis.ticks():
        yield tag("path", d=f"M{axis.unit(tick)} {top:g}V{bottom:g}", class_="grid")
    for mark in timeline.marks:
        if axis.holds(mark.at):
            text = title(f"{mark.at:.2f} s: {mark.text}")
            yield tag("path", text, d=f"M{axis.unit(mark.at)} 0V{bottom:g}", class_="mark-line")


def names_of(spans: Sequence[Span], timeline: Timeline, known: Sequence[str]) -> tuple[str, ...]:
    """The directors of a drill: first those in `known`, in their order, then the others."""
    involved = {span.subject if span.kind == "holder" else span.by for span in spans} | set(
        timeline.sources.values()
    )
    others = sorted(involved - set(known) - {""})
    return tuple([name for name in known if name in involved] + others)
