"""The events of a drill as text, for readers who cannot see the picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provision.drills.report.axis import whole
from provision.drills.report.format import counted, format_ms
from provision.drills.result import DrillResult, Timeline

EDGE = 0.02
"""Seconds at both ends of a recording in which a span's edge is no event: the record ends there."""


def summary(drill: DrillResult) -> str:
    """The drill's figures in two or three sentences."""
    parts = [f"{drill.failed_requests} of {counted(drill.requests, 'request')} failed"]
    if drill.outage_ms is not None:
        parts.append(f"the outage was {format_ms(drill.outage_ms)}")
    if drill.bound_ms is not None:
        parts.append(f"the bound is {format_ms(drill.bound_ms)}")
    kept = drill.connections
    connections = f"{kept.survived} of {counted(kept.established, 'open connection')}"
    text = f"{', '.join(parts)}. {connections} survived."
    return (
        f"{text} {' and '.join(drill.holders)} held the VIP in the end." if drill.holders else text
    )


def events(timeline: Timeline) -> tuple[tuple[float, str], ...]:
    """The events in order of time, in seconds from the injection.

    At the same moment the drill's actions come first.
    """
    unordered = [*_marks(timeline), *_goodbyes(timeline), *_spans(timeline), *_failures(timeline)]
    return tuple(sorted(unordered, key=lambda event: event[0]))


def _marks(timeline: Timeline) -> Iterator[tuple[float, str]]:
    yield from ((mark.at, mark.text) for mark in timeline.marks)


def _spans(timeline: Timeline) -> Iterator[tuple[float, str]]:
    full = whole(timeline)
    for span in timeline.spans:
        begun, over = span.start > full.start + EDGE, span.end < full.end - EDGE
        if span.kind == "holder":
            if begun:
                yield span.start, f"{span.subject} has {span.value}"
            if over:
                yield span.end, f"{span.subject} no longer has {span.value}"
        elif begun and _first_polled(timeline, span.subject, span.by) < span.start:
            weight = f"weight {span.value}" if span.value else "out"
            yield span.start, f"{span.subject} in {span.by}'s table: {weight}"


def _first_polled(timeline: Timeline, server: str, director: str) -> float:
    """The moment of the first poll of a director's table; the weights then are no event."""
    return min(
        span.start
        for span in timeline.spans
        if span.kind == "health" and (span.subject, span.by) == (server, director)
    )


def _failures(timeline: Timeline) -> Iterator[tuple[float, str]]:
    for index, service in enumerate(timeline.services):
        bad = [
            request
            for request in timeline.requests
            if request.service == index and (request.error or request.done is None)
        ]
        if bad:
            error = bad[0].error or "no answer"
            yield bad[0].start, f"first failed request to {service.name}: {error}"
            if len(bad) > 1:
                error = bad[-1].error or "no answer"
                count = len(bad)
                text = f"last of {count} failed requests to {service.name}: {error}"
                yield bad[-1].start, text


def _goodbyes(timeline: Timeline) -> Iterator[tuple[float, str]]:
    """A master that resigns sends an advert with priority 0 (RFC 5798 §6.4.3)."""
    for advert in timeline.adverts:
        if advert.priority == 0:
            director = timeline.sources.get(advert.source, advert.source)
            yield advert.at, f"{director} resigns as master of VRID {advert.vrid}: priority 0"
