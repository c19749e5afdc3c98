"""What happened in a drill, in words: for those who do not see the picture, and to look up a moment. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provision.drills.report.axis import whole
from provision.drills.report.format import counted, format_ms
from provision.drills.result import DrillResult, Timeline

EDGE = 0.02
"""Seconds from the ends of a recording within which nothing began or ended, it was only first or last seen."""


def summary(drill: DrillResult) -> str:
    """The drill's figures in two sentences or three."""
    parts = [f"{drill.failed_requests} of {counted(drill.requests, 'request')} failed"]
    if drill.outage_ms is not None:
        parts.append(f"the outage was {format_ms(drill.outage_ms)}")
    if drill.bound_ms is not None:
        parts.append(f"the bound is {format_ms(drill.bound_ms)}")
    kept = drill.connections
    text = f"{', '.join(parts)}. {kept.survived} of {counted(kept.established, 'open connection')} survived."
    return (
        f"{text} {' and '.join(drill.holders)} held the VIP in the end." if drill.holders else text
    )


def events(timeline: Timeline) -> tuple[tuple[float, str], ...]:
    """What changed and when, in seconds from the injection, in order; of one moment what the drill did comes first."""
    found = [*_marks(timeline), *_goodbyes(timeline), *_spans(timeline), *_failures(timeline)]
    return tuple(sorted(found, key=lambda event: event[0]))


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
                yield span.end, f"{span.subject} has no longer {span.value}"
        elif begun and _first(timeline, span.subject, span.by) < span.start:
            what = f"weight {span.value}" if span.value else "out"
            yield span.start, f"{span.subject} in {span.by}'s table: {what}"


def _first(timeline: Timeline, server: str, director: str) -> float:
    """When a director's table was first looked at: what it held then is no change."""
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
            yield (
                bad[0].start,
                f"first failed request to {service.name}: {bad[0].error or 'no answer'}",
            )
            if len(bad) > 1:
                yield (
                    bad[-1].start,
                    f"last of {len(bad)} failed requests to {service.name}: {bad[-1].error or 'no answer'}",
                )


def _goodbyes(timeline: Timeline) -> Iterator[tuple[float, str]]:
    """A master that gives up says so with priority 0 (RFC 5798 §6.4.3)."""
    for advert in timeline.adverts:
        if advert.priority == 0:
            yield (
                advert.at,
                f"{timeline.sources.get(advert.source, advert.source)} gives VRID {advert.vrid} up: priority 0",
            )
