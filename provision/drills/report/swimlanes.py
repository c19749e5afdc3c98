"""The lanes of a drill's picture: each a band of its own over the same time axis. Pure.

A lane has three layers: names left of the plot, shapes that are stretched to the width there is (so that their x is in
units of the axis), and words whose x is a percentage, as letters must not be stretched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from provision.drills.report.axis import UNITS, Axis
from provision.drills.report.buckets import Bucket, buckets
from provision.drills.report.format import format_ms
from provision.drills.report.svg import tag, text_element, title
from provision.drills.result import DrillResult, Noise, Span, Timeline, TimelineEvent
from provision.prober.record import Request

HEAD, ROW, GAP = 19, 15, 10
"""Pixels of a lane's heading, of one row, and below a lane."""

FAILED, LATENCY = 12, 76
"""Pixels of the share of failed requests, and of the answers' times below it."""

GRAIN = 0.02
"""Least width of a bucket of requests, in seconds."""

LEAST_MS, MOST_MS = 0.3, 4000.0
"""Ends of the logarithmic scale of answers' times."""

LETTERS = 17
"""Characters that fit left of the plot."""

MARK = 6.0
"""Width of a letter of a mark's label as a part of a narrow plot: a phone's is 250 pixels wide."""


@dataclass(frozen=True)
class Lane:
    """One band, `height` pixels high; its parts count y from its own top."""

    height: float
    names: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def _name(text: str, y: float, kind: str = "name") -> str:
    short = text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"
    return text_element(short, x="100%", y=y, text_anchor="end", class_=kind)


def _heading(text: str) -> str:
    return text_element(text, x=0, y=12, class_="heading")


def _bar(
    axis: Axis, start: float, end: float, y: float, height: float, kind: str, said: str
) -> str:
    left, right = axis.unit(start), axis.unit(end)
    return tag(
        "rect", title(said), x=left, y=y, width=max(right - left, 1), height=height, class_=kind
    )


def _path(steps: Iterable[str], kind: str) -> str:
    drawn = "".join(steps)
    return tag("path", d=drawn, class_=kind) if drawn else ""


def marks_lane(axis: Axis, marks: Sequence[TimelineEvent]) -> Lane:
    """The marks' labels, in as many rows as keep them apart; what comes after a colon is left to the list below."""
    ends: list[float] = []
    labels = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if not axis.holds(mark.at):
            continue
        text, at = mark.text.partition(":")[0], axis.part(mark.at)
        width = len(text) * MARK / 250
        left = at if at + width <= 1 else at - width
        row = next((index for index, end in enumerate(ends) if end < left), len(ends))
        ends[row : row + 1] = [left + width + 0.02]
        anchor, shift = ("start", 3) if left == at else ("end", -3)
        labels.append(
            text_element(
                text,
                x=axis.percent(mark.at),
                dx=shift,
                y=row * ROW + 11,
                text_anchor=anchor,
                class_="mark",
            )
        )
    return Lane(len(ends) * ROW + 2, words=tuple(labels))


def bound_lane(axis: Axis, drill: DrillResult) -> Lane:
    """The outage beside the bound, both as lengths of time from the injection on."""
    rows = [("outage", drill.outage_ms, "outage"), ("bound", drill.bound_ms, "bound")]
    known = [(name, value, kind) for name, value, kind in rows if value is not None]
    names, shapes, labels = [], [], []
    for index, (name, value, kind) in enumerate(known):
        y, end = index * ROW + 3, value / 1000
        names.append(_name(name, y + 9))
        shapes.append(_bar(axis, 0, end, y, ROW - 5, kind, f"{name} {format_ms(value)}"))
        inside = axis.part(end) > 0.8
        anchor, shift = ("end", -5) if inside else ("start", 5)
        style = f"figure {kind}-figure" if inside else "figure"
        labels.append(
            text_element(
                format_ms(value),
                x=axis.percent(end),
                dx=shift,
                y=y + 9,
                text_anchor=anchor,
                class_=style,
            )
        )
    return Lane(len(known) * ROW + GAP, tuple(names), tuple(shapes), tuple(labels))


def requests_lane(axis: Axis, timeline: Timeline, service: int, floor: Noise | None) -> Lane:
    """A service's requests by when they began: the share that failed, and how late the good ones were answered."""
    mine: list[Request] = [request for request in timeline.requests if request.service == service]
    width = max(GRAIN, axis.length / 400)
    found = buckets(
        mine, math.floor(axis.start / width) * width, axis.end, width
    )  # the injection between two of them
    top = HEAD + FAILED + 4
    names = [_name("failed", HEAD + FAILED - 2, "name bad")]
    shapes = [_path(_shares(axis, found, width), "failed")]
    service_name = (
        timeline.services[service].name if service < len(timeline.services) else "a service"
    )
    labels = [_heading(f"requests to {service_name}")]
    for value, label in ((1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (1000, "1 s")):
        names.append(_name(label, top + _depth(value) + 4, "scale"))
        shapes.append(tag("path", d=f"M0 {top + _depth(value):.1f}H{UNITS}", class_="grid"))
    if floor and floor.p99_ms:
        y = top + _depth(floor.p99_ms)
        said = title(
            f"noise floor: 99 of 100 answers within {format_ms(floor.p99_ms)} while nothing was wrong"
        )
        shapes.append(tag("path", said, d=f"M0 {y:.1f}H{UNITS}", class_="floor"))
        labels.append(
            text_element("noise floor", x="100%", y=y - 4, text_anchor="end", class_="scale")
        )
    shapes.append(_path(_ranges(axis, found, width, top), "range"))
    shapes.append(_path(_medians(axis, found, width, top), "median"))
    return Lane(top + LATENCY + GAP, tuple(names), tuple(shapes), tuple(labels))


def _depth(value_ms: float) -> float:
    """Pixels from the top of the scale."""
    inside = min(MOST_MS, max(LEAST_MS, value_ms))
    return LATENCY * math.log(MOST_MS / inside) / math.log(MOST_MS / LEAST_MS)


def _shares(axis: Axis, found: Sequence[Bucket], width: float) -> Iterator[str]:
    for bucket in found:
        if bucket.bad:
            left, right = axis.unit(bucket.start), axis.unit(bucket.start + width)
            height = max(3.0, FAILED * bucket.bad / bucket.requests)
            yield f"M{left} {HEAD + FAILED}v{-height:.1f}H{max(right, left + 2)}v{height:.1f}z"


def _ranges(axis: Axis, found: Sequence[Bucket], width: float, top: float) -> Iterator[str]:
    for bucket in found:
        if bucket.median_ms is not None and bucket.slowest_ms is not None:
            high, low = top + _depth(bucket.slowest_ms), top + _depth(bucket.median_ms)
            if low - high >= 1:
                yield f"M{axis.unit(bucket.start + width / 2)} {low:.0f}V{high:.0f}"


def _medians(axis: Axis, found: Sequence[Bucket], width: float, top: float) -> Iterator[str]:
    for bucket in found:
        if bucket.median_ms is not None:
            left, right = axis.unit(bucket.start), axis.unit(bucket.start + width)
            yield f"M{left} {top + _depth(bucket.median_ms):.1f}H{right}"


def holder_lane(axis: Axis, spans: Sequence[Span], vip: str, directors: Sequence[str]) -> Lane:
    """Which director held a VIP when; a row of its own shows when two did."""
    mine = [span for span in spans if span.kind == "holder" and span.value == vip]
    names, shapes = [], []
    for index, director in enumerate(directors):
        names.append(_name(director, HEAD + index * ROW + 10))
        for span in mine:
            if span.subject == director and span.end > axis.start and span.start < axis.end:
                said = f"{director} held {vip} from {span.start:.2f} s to {span.end:.2f} s"
                shapes.append(
                    _bar(
                        axis,
                        span.start,
                        span.end,
                        HEAD + index * ROW,
                        ROW - 4,
                        f"d{index % 4}",
                        said,
                    )
                )
    height = HEAD + len(directors) * ROW
    shared = [
        (start, end) for start, end in overlaps(mine) if end > axis.start and start < axis.end
    ]
    if shared:
        names.append(_name("both", height + 10, "name bad"))
        for start, end in shared:
            said = f"two directors held {vip} from {start:.2f} s to {end:.2f} s"
            shapes.append(_bar(axis, start, end, height, ROW - 4, "split", said))
        height += ROW
    return Lane(height + GAP, tuple(names), tuple(shapes), (_heading(f"{vip} held by"),))


def overlaps(spans: Iterable[Span]) -> tuple[tuple[float, float], ...]:
    """When two of the spans or more were at the same time."""
    edges = sorted(edge for span in spans for edge in ((span.start, 1), (span.end, -1)))
    found, depth, since = [], 0, 0.0
    for at, step in edges:
        if depth == 2 and step < 0 and at > since:
            found.append((since, at))
        depth += step
        if depth == 2 and step > 0:
            since = at
    return tuple(found)


def adverts_lane(axis: Axis, timeline: Timeline, directors: Sequence[str]) -> Lane | None:
    """A tick for each VRRP advert, a row for each director and VRID; None where none was heard."""
    rows: dict[tuple[str, int], list[tuple[int, bool]]] = {}
    for advert in timeline.adverts:
        who = timeline.sources.get(advert.source, advert.source)
        row = rows.setdefault((who, advert.vrid), [])
        if axis.holds(advert.at):
            row.append((axis.unit(advert.at), advert.priority == 0))
    claims = sorted({axis.unit(claim.at) for claim in timeline.claims if axis.holds(claim.at)})
    if not rows and not claims:
        return None
    order = {name: index for index, name in enumerate(directors)}
    names, shapes, height = [], [], float(HEAD)
    for who, vrid in sorted(rows, key=lambda row: (order.get(row[0], len(order)), *row)):
        ticks = set(rows[who, vrid])
        names.append(
            _name(who if len({each for _, each in rows}) == 1 else f"{who} {vrid}", height + 10)
        )
        kind = f"tick t{order[who] % 4}" if who in order else "tick"
        shapes.append(_path((f"M{x} {height}v11" for x, last in sorted(ticks) if not last), kind))
        shapes.append(
            _path((f"M{x} {height - 2}v15" for x, last in sorted(ticks) if last), "goodbye")
        )
        height += ROW
    names.append(_name("claims", height + 10))
    shapes.append(_path((f"M{x} {height + 3}v5" for x in claims), "tick"))
    numbers = ", ".join(str(each) for each in sorted({each for _, each in rows}))
    heading = f"VRRP adverts of VRID {numbers}; gratuitous ARP" if rows else "gratuitous ARP"
    return Lane(height + ROW + GAP, tuple(names), tuple(shapes), (_heading(heading),))


def health_lane(axis: Axis, spans: Sequence[Span], directors: Sequence[str]) -> Lane | None:
    """Each real server in the tables: a thin bar for each director while it has the server; hollow at weight 0."""
    mine = [span for span in spans if span.kind == "health"]
    servers = sorted({span.subject for span in mine})
    if not servers:
        return None
    tall = max(ROW, 5 * len(directors) + 3)
    names, shapes = [], []
    for index, server in enumerate(servers):
        top = HEAD + index * tall
        names.append(_name(server, top + 10))
        for span in mine:
            if (
                span.subject != server
                or not span.value
                or span.end <= axis.start
                or span.start >= axis.end
            ):
                continue
            which = directors.index(span.by) if span.by in directors else 0
            said = f"{server}: weight {span.value} in {span.by}'s table from {span.start:.2f} s to {span.end:.2f} s"
            kind = f"{'hollow ' if span.value == '0' else ''}d{which % 4}"
            shapes.append(_bar(axis, span.start, span.end, top + which * 5, 4, kind, said))
    return Lane(
        HEAD + len(servers) * tall + GAP,
        tuple(names),
        tuple(shapes),
        (_heading("real servers in the tables"),),
    )


def seconds_lane(axis: Axis) -> Lane:
    """The seconds from the injection."""
    labels = []
    for tick in axis.ticks():
        at = axis.part(tick)
        anchor = "start" if at < 0.03 else "end" if at > 0.97 else "middle"
        text = f"{tick:+g} s" if tick else "0"
        labels.append(
            text_element(text, x=axis.percent(tick), y=13, text_anchor=anchor, class_="scale")
        )
    return Lane(20, words=tuple(labels))
