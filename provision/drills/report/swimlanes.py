"""The lanes of a drill's picture: bands over the same time axis. Pure.

A lane has three layers. Names stand left of the plot. Shapes are stretched to the width of the
page; their x is in units of the axis. Words must not be stretched; their x is a percentage.
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

HEAD, ROW, GAP = 19, 15, 10
"""Pixels of a lane's heading, of a row, and below a lane."""

FAILED, LATENCY = 12, 76
"""Pixels of the share of failed requests, and of the response times below it."""

MIN_BUCKET_SECONDS = 0.02
"""Least width of a bucket of requests, in seconds."""

MIN_MS, MAX_MS = 0.3, 4000.0
"""Ends of the logarithmic scale of response times, in ms."""

MAX_NAME_LENGTH = 17
"""Characters that fit left of the plot."""

LETTER_WIDTH, NARROW_PLOT = 6.0, 250
"""Pixels of a letter in a mark's label, and of the plot on a phone."""


@dataclass(frozen=True)
class Lane:
    """One band, `height` pixels high; the y of its elements counts from its top."""

    height: float
    names: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def _name(text: str, y: float, kind: str = "name") -> str:
    short = text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 1]}…"
    return text_element(short, x="100%", y=y, text_anchor="end", class_=kind)


def _heading(text: str) -> str:
    return text_element(text, x=0, y=12, class_="heading")


def _bar(
    axis: Axis, start: float, end: float, y: float, height: float, kind: str, text: str
) -> str:
    left, right = axis.unit(start), axis.unit(end)
    return tag(
        "rect", title(text), x=left, y=y, width=max(right - left, 1), height=height, class_=kind
    )


def _path(commands: Iterable[str], kind: str) -> str:
    data = "".join(commands)
    return tag("path", d=data, class_=kind) if data else ""


def marks_lane(axis: Axis, marks: Sequence[TimelineEvent]) -> Lane:
    """The labels of the marks, in as many rows as keep them apart.

    A label ends at a colon; the list of events below the picture has the whole text.
    """
    ends: list[float] = []
    labels = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if not axis.holds(mark.at):
            continue
        text, at = mark.text.partition(":")[0], axis.part(mark.at)
        width = len(text) * LETTER_WIDTH / NARROW_PLOT
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
    """The outage above the bound, both as bars from the injection on."""
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
    """A service's requests by their start: the share of failures, and the response times."""
    requests = [request for request in timeline.requests if request.service == service]
    width = max(MIN_BUCKET_SECONDS, axis.length / 400)
    # The injection is the border of two buckets.
    filled = buckets(requests, math.floor(axis.start / width) * width, axis.end, width)
    top = HEAD + FAILED + 4
    names = [_name("failed", HEAD + FAILED - 2, "name bad")]
    shapes = [_path(_shares(axis, filled, width), "failed")]
    service_name = (
        timeline.services[service].name if service < len(timeline.services) else "a service"
    )
    labels = [_heading(f"requests to {service_name}")]
    for value, label in ((1, "1 ms"), (10, "10 ms"), (100, "100 ms"), (1000, "1 s")):
        names.append(_name(label, top + _depth(value) + 4, "scale"))
        shapes.append(tag("path", d=f"M0 {top + _depth(value):.1f}H{UNITS}", class_="grid"))
    if floor and floor.p99_ms:
        y = top + _depth(floor.p99_ms)
        text = f"noise floor: without a fault, 99 of 100 answers within {format_ms(floor.p99_ms)}"
        shapes.append(tag("path", title(text), d=f"M0 {y:.1f}H{UNITS}", class_="floor"))
        labels.append(
            text_element("noise floor", x="100%", y=y - 4, text_anchor="end", class_="scale")
        )
    shapes.append(_path(_ranges(axis, filled, width, top), "range"))
    shapes.append(_path(_medians(axis, filled, width, top), "median"))
    return Lane(top + LATENCY + GAP, tuple(names), tuple(shapes), tuple(labels))


def _depth(value_ms: float) -> float:
    """Pixels from the top of the scale of response times."""
    inside = min(MAX_MS, max(MIN_MS, value_ms))
    return LATENCY * math.log(MAX_MS / inside) / math.log(MAX_MS / MIN_MS)


def _shares(axis: Axis, filled: Sequence[Bucket], width: float) -> Iterator[str]:
    for bucket in filled:
        if bucket.bad:
            left, right = axis.unit(bucket.start), axis.unit(bucket.start + width)
            height = max(3.0, FAILED * bucket.bad / bucket.requests)
            yield f"M{left} {HEAD + FAILED}v{-height:.1f}H{max(right, left + 2)}v{height:.1f}z"


def _ranges(axis: Axis, filled: Sequence[Bucket], width: float, top: float) -> Iterator[str]:
    for bucket in filled:
        if bucket.median_ms is not None and bucket.slowest_ms is not None:
            high, low = top + _depth(bucket.slowest_ms), top + _depth(bucket.median_ms)
            if low - high >= 1:
                yield f"M{axis.unit(bucket.start + width / 2)} {low:.0f}V{high:.0f}"


def _medians(axis: Axis, filled: Sequence[Bucket], width: float, top: float) -> Iterator[str]:
    for bucket in filled:
        if bucket.median_ms is not None:
            left, right = axis.unit(bucket.start), axis.unit(bucket.start + width)
            yield f"M{left} {top + _depth(bucket.median_ms):.1f}H{right}"


def holder_lane(axis: Axis, spans: Sequence[Span], vip: str, directors: Sequence[str]) -> Lane:
    """The holders of a VIP, a row for each director; the row `both` shows when two held it."""
    holding = [span for span in spans if span.kind == "holder" and span.value == vip]
    names, shapes = [], []
    for index, director in enumerate(directors):
        y, kind = HEAD + index * ROW, f"d{index % 4}"
        names.append(_name(director, y + 10))
        for span in holding:
            if span.subject == director and span.end > axis.start and span.start < axis.end:
                text = f"{director} held {vip} from {span.start:.2f} s to {span.end:.2f} s"
                shapes.append(_bar(axis, span.start, span.end, y, ROW - 4, kind, text))
    height = HEAD + len(directors) * ROW
    shared = [
        (start, end) for start, end in overlaps(holding) if end > axis.start and start < axis.end
    ]
    if shared:
        names.append(_name("both", height + 10, "name bad"))
        for start, end in shared:
            text = f"two directors held {vip} from {start:.2f} s to {end:.2f} s"
            shapes.append(_bar(axis, start, end, height, ROW - 4, "split", text))
        height += ROW
    return Lane(height + GAP, tuple(names), tuple(shapes), (_heading(f"{vip} held by"),))


def overlaps(spans: Iterable[Span]) -> tuple[tuple[float, float], ...]:
    """The periods in which two spans or more overlap, as pairs of start and end."""
    edges = sorted(edge for span in spans for edge in ((span.start, 1), (span.end, -1)))
    periods, depth, since = [], 0, 0.0
    for at, step in edges:
        if depth == 2 and step < 0 and at > since:
            periods.append((since, at))
        depth += step
        if depth == 2 and step > 0:
            since = at
    return tuple(periods)


def adverts_lane(axis: Axis, timeline: Timeline, directors: Sequence[str]) -> Lane | None:
    """A tick for each VRRP advert, a row for each director and VRID; None without any adverts."""
    rows: dict[tuple[str, int], list[tuple[int, bool]]] = {}
    for advert in timeline.adverts:
        sender = timeline.sources.get(advert.source, advert.source)
        row = rows.setdefault((sender, advert.vrid), [])
        if axis.holds(advert.at):
            row.append((axis.unit(advert.at), advert.priority == 0))
    claims = sorted({axis.unit(claim.at) for claim in timeline.claims if axis.holds(claim.at)})
    if not rows and not claims:
        return None
    order = {name: index for index, name in enumerate(directors)}
    names, shapes, height = [], [], float(HEAD)
    vrids = sorted({vrid for _, vrid in rows})
    for sender, vrid in sorted(rows, key=lambda row: (order.get(row[0], len(order)), *row)):
        ticks = set(rows[sender, vrid])
        names.append(_name(sender if len(vrids) == 1 else f"{sender} {vrid}", height + 10))
        kind = f"tick t{order[sender] % 4}" if sender in order else "tick"
        shapes.append(_path((f"M{x} {height}v11" for x, last in sorted(ticks) if not last), kind))
        shapes.append(
            _path((f"M{x} {height - 2}v15" for x, last in sorted(ticks) if last), "goodbye")
        )
        height += ROW
    names.append(_name("claims", height + 10))
    shapes.append(_path((f"M{x} {height + 3}v5" for x in claims), "tick"))
    numbers = ", ".join(map(str, vrids))
    heading = f"VRRP adverts of VRID {numbers}; gratuitous ARP" if rows else "gratuitous ARP"
    return Lane(height + ROW + GAP, tuple(names), tuple(shapes), (_heading(heading),))


def health_lane(axis: Axis, spans: Sequence[Span], directors: Sequence[str]) -> Lane | None:
    """The real servers, with a thin bar for each director whose table has the server.

    The bar is hollow at weight 0. None without any real servers.
    """
    weights = [span for span in spans if span.kind == "health"]
    servers = sorted({span.subject for span in weights})
    if not servers:
        return None
    row_height = max(ROW, 5 * len(directors) + 3)
    names, shapes = [], []
    for index, server in enumerate(servers):
        top = HEAD + index * row_height
        names.append(_name(server, top + 10))
        for span in weights:
            if (
                span.subject != server
                or not span.value
                or span.end <= axis.start
                or span.start >= axis.end
            ):
                continue
            number = directors.index(span.by) if span.by in directors else 0
            text = (
                f"{server}: weight {span.value} in {span.by}'s table "
                f"from {span.start:.2f} s to {span.end:.2f} s"
            )
            kind = f"{'hollow ' if span.value == '0' else ''}d{number % 4}"
            shapes.append(_bar(axis, span.start, span.end, top + number * 5, 4, kind, text))
    return Lane(
        HEAD + len(servers) * row_height + GAP,
        tuple(names),
        tuple(shapes),
        (_heading("real servers in the tables"),),
    )


def seconds_lane(axis: Axis) -> Lane:
    """The scale: seconds from the injection."""
    labels = []
    for tick in axis.ticks():
        at = axis.part(tick)
        anchor = "start" if at < 0.03 else "end" if at > 0.97 else "middle"
        text = f"{tick:+g} s" if tick else "0"
        labels.append(
            text_element(text, x=axis.percent(tick), y=13, text_anchor=anchor, class_="scale")
        )
    return Lane(20, words=tuple(labels))
