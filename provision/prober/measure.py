"""What the records mean. Pure functions; times in are seconds, figures out are milliseconds where the name says so."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from provision.prober.record import Advert, Connection, Request


class Baseline(NamedTuple):
    """Requests while nothing is wrong: how many, how many failed, and in ms how long the good ones took."""

    requests: int
    failed: int
    median_ms: float
    p99_ms: float
    slowest_ms: float


class ConnectionStats(NamedTuple):
    """Long-lived connections: open at the moment asked for, and those of them that were not lost after it."""

    established: int
    survived: int


class AdvertGap(NamedTuple):
    """A time in which nobody advertised a VRID; `start` is the last advert before, `end` the first one after."""

    vrid: int
    start: float
    end: float


class SplitBrain(NamedTuple):
    """Two directors or more that advertised one VRID at the same time.

    `start` is the first advert of the second of them, `known` the advert by which it was certain, `end` the last.
    """

    vrid: int
    sources: tuple[str, ...]
    start: float
    known: float
    end: float


MIN_SLOW_AFTER, MAX_SLOW_AFTER = 0.15, 0.9
"""Bounds of `slow_after` in seconds: below TCP's shortest retransmission time (200 ms on Linux) and its first one for
a SYN (1 s, RFC 6298 §2)."""

SILENT = 1.5
"""Advert intervals after which a missing advert is noticed: room for half an interval of jitter."""


def noise(requests: Iterable[Request]) -> Baseline:
    """The noise floor: what the prober measures while nothing is wrong."""
    every = list(requests)
    times = sorted(
        request.done * 1000 for request in every if request.done is not None and not request.error
    )
    if not times:
        return Baseline(len(every), failed(every), 0.0, 0.0, 0.0)
    return Baseline(len(every), failed(every), _rank(times, 0.5), _rank(times, 0.99), times[-1])


def _rank(times: Sequence[float], part: float) -> float:
    """The smallest time that `part` of all do not exceed (nearest rank)."""
    return times[max(0, math.ceil(part * len(times)) - 1)]


def slow_after(floor: Baseline) -> float:
    """The seconds after which an answer is a late one, given the noise floor.

    A lost packet shows as a late answer: TCP sends it again after 200 ms or more, a lost SYN after 1 s. So 150 ms tell
    a loss from an answer that was never in danger. Where answers take half of that while nothing is wrong it is twice
    the slowest of them, but never as much as 1 s, or a lost SYN would pass for good.
    """
    return min(MAX_SLOW_AFTER, max(MIN_SLOW_AFTER, 2 * floor.slowest_ms / 1000))


def outage(requests: Iterable[Request], slow_after: float) -> float:
    """Milliseconds of the longest run of bad requests of one service, 0 for none.

    A request is bad when it failed, was not answered, or took longer than `slow_after` seconds. A run lasts from the
    start of its first request to the start of the next good one, so it is exact to one cadence at either end; without
    a good one, to the start of the last request of all. What was begun less than `slow_after` before that and has no
    answer yet is not judged.
    """
    every = _judged(requests, slow_after)
    longest = 0.0
    for service in {request.service for request in every}:
        begin: float | None = None
        for request in every:
            if request.service != service:
                continue
            if not _bad(request, slow_after):
                longest = max(longest, 0.0 if begin is None else request.start - begin)
                begin = None
            elif begin is None:
                begin = request.start
        if begin is not None:
            longest = max(longest, every[-1].start - begin)
    return longest * 1000


def affected(requests: Iterable[Request], slow_after: float) -> float:
    """Milliseconds from the first bad request of any service to the good one of its service after the last bad one."""
    every = _judged(requests, slow_after)
    bad = [request for request in every if _bad(request, slow_after)]
    if not bad:
        return 0.0
    ends = []
    for service in {request.service for request in bad}:
        last = max(request.start for request in bad if request.service == service)
        after = (
            request.start
            for request in every
            if request.service == service and request.start > last
        )
        ends.append(min(after, default=every[-1].start))
    return (max(ends) - bad[0].start) * 1000


def _judged(requests: Iterable[Request], slow_after: float) -> list[Request]:
    """The requests by their start, without those that are too young to be judged."""
    every = sorted(requests, key=lambda request: request.start)
    horizon = every[-1].start - slow_after if every else 0.0
    return [
        request
        for request in every
        if request.start <= horizon or request.done is not None or request.error
    ]


def _bad(request: Request, slow_after: float) -> bool:
    return bool(request.error) or request.done is None or request.done > slow_after


def failed(requests: Iterable[Request]) -> int:
    """How many requests failed or were never answered."""
    return sum(bool(request.error) or request.done is None for request in requests)


def slowest(requests: Iterable[Request]) -> float | None:
    """Milliseconds of the slowest good request; None without any."""
    times = (
        request.done * 1000
        for request in requests
        if request.done is not None and not request.error
    )
    return max(times, default=None)


def survivors(
    connections: Iterable[Connection], since: float, until: float = math.inf
) -> ConnectionStats:
    """The connections open at `since`, and those of them not lost up to `until`.

    One that its server ended in good order after `since` was not lost.
    """
    there = [
        connection
        for connection in connections
        if connection.opened
        <= since
        < min(_or_never(connection.lost), _or_never(connection.closed))
    ]
    broken = sum(connection.lost is not None and connection.lost <= until for connection in there)
    return ConnectionStats(len(there), len(there) - broken)


def _or_never(moment: float | None) -> float:
    return math.inf if moment is None else moment


def silences(adverts: Iterable[Advert], advert_int: float) -> tuple[AdvertGap, ...]:
    """Every gap between two adverts of a VRID that is longer than one and a half advert intervals.

    IPv4 and IPv6 count their VRIDs apart (RFC 5798 §5.2.3).
    """
    found = []
    last: dict[tuple[int, bool], Advert] = {}
    for advert in sorted(adverts, key=lambda advert: advert.at):
        router = (advert.vrid, ":" in advert.source)
        before = last.get(router)
        if before and advert.at - before.at > SILENT * advert_int:
            found.append(AdvertGap(advert.vrid, before.at, advert.at))
        last[router] = advert
    return tuple(found)


def split_brain_intervals(
    adverts: Iterable[Advert], vrid: int, interval: float
) -> tuple[SplitBrain, ...]:
    """When two sources advertised `vrid` at the same time: split brain. `interval` is the advert interval.

    Known when the speaker has changed four times (A B A B A) within three intervals and a half: two masters take turns
    at every interval, so the third advert after the second one's first shows it. A hand-over changes it once, and even
    one where both speak in the same moment, or where the old master objects once, not more than three times.
    """
    found: list[SplitBrain] = []
    ours = sorted(
        (advert for advert in adverts if advert.vrid == vrid), key=lambda advert: advert.at
    )
    for six in (False, True):
        changes: list[tuple[Advert, Advert]] = []
        family = [advert for advert in ours if (":" in advert.source) == six]
        for before, advert in itertools.pairwise(family):
            if advert.source == before.source:
                continue
            changes.append((before, advert))
            if len(changes) >= 4 and advert.at - changes[-4][0].at <= 3.5 * interval:
                _extend(found, vrid, changes[-4:])
    return tuple(sorted(found, key=lambda rivalry: rivalry.start))


def _extend(found: list[SplitBrain], vrid: int, changes: Sequence[tuple[Advert, Advert]]) -> None:
    """Add four changes of the speaker to the rivalry they go on with, or begin one."""
    start, end = changes[0][1].at, changes[-1][1].at
    sources = {advert.source for change in changes for advert in change}
    last = found[-1] if found else None
    if last and start <= last.end and sources & set(last.sources):
        found[-1] = last._replace(end=end, sources=tuple(sorted(sources | set(last.sources))))
    else:
        found.append(SplitBrain(vrid, tuple(sorted(sources)), start, end, end))
