"""Figures from the records. Pure functions. Times are seconds; names say where they are ms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from provision.prober.record import Advert, Connection, Request


class Baseline(NamedTuple):
    """Requests without a fault: their number, the failed ones, and the times of good ones in ms."""

    requests: int
    failed: int
    median_ms: float
    p99_ms: float
    slowest_ms: float


class ConnectionStats(NamedTuple):
    """Long-lived connections: those open at a moment, and those not lost afterwards."""

    established: int
    survived: int


class AdvertGap(NamedTuple):
    """A time without adverts of a VRID: from the last advert before it to the first after it."""

    vrid: int
    start: float
    end: float


class SplitBrain(NamedTuple):
    """A split brain: two or more directors advertised a VRID at the same time.

    `start` is the first advert of the second director, `known` the advert that proved it, and `end`
    the last advert.
    """

    vrid: int
    sources: tuple[str, ...]
    start: float
    known: float
    end: float


MIN_SLOW_AFTER, MAX_SLOW_AFTER = 0.15, 0.9
"""Bounds of `slow_after` in seconds.

They are below TCP's shortest retransmission time (200 ms on Linux) and below its first
retransmission of a SYN (1 s, RFC 6298 §2).
"""

MAX_ADVERT_GAP = 1.5
"""Advert intervals after which an advert is missing: half an interval is left for jitter."""


def noise(requests: Iterable[Request]) -> Baseline:
    """Return the noise floor: the figures of requests without a fault."""
    requests = list(requests)
    count, failures = len(requests), failed(requests)
    times = sorted(
        request.done * 1000
        for request in requests
        if request.done is not None and not request.error
    )
    if not times:
        return Baseline(count, failures, 0.0, 0.0, 0.0)
    return Baseline(count, failures, _percentile(times, 0.5), _percentile(times, 0.99), times[-1])


def _percentile(times: Sequence[float], fraction: float) -> float:
    """Return the smallest time that `fraction` of all times do not exceed (nearest rank)."""
    return times[max(0, math.ceil(fraction * len(times)) - 1)]


def slow_after(floor: Baseline) -> float:
    """Return the seconds after which an answer is late, given the noise floor.

    TCP repeats a lost packet after 200 ms or more, and a lost SYN after 1 s. An answer after 150 ms
    therefore shows a loss. If answers without a fault take more than half of that, the limit is
    twice the slowest of them. It stays below 1 s, so that a lost SYN always counts as late.
    """
    return min(MAX_SLOW_AFTER, max(MIN_SLOW_AFTER, 2 * floor.slowest_ms / 1000))


def outage(requests: Iterable[Request], slow_after: float) -> float:
    """Return the milliseconds of the longest run of bad requests of one service, 0 for none.

    A request is bad if it failed, was not answered, or took longer than `slow_after` seconds. A run
    lasts from the start of its first request to the start of the next good request. It is exact to
    one cadence at either end. Without a good request it lasts to the start of the last request of
    all. Unanswered requests of the last `slow_after` seconds do not count.
    """
    judged = _judged(requests, slow_after)
    longest = 0.0
    for service in {request.service for request in judged}:
        begin: float | None = None
        for request in judged:
            if request.service != service:
                continue
            if not _bad(request, slow_after):
                longest = max(longest, 0.0 if begin is None else request.start - begin)
                begin = None
            elif begin is None:
                begin = request.start
        if begin is not None:
            longest = max(longest, judged[-1].start - begin)
    return longest * 1000


def affected(requests: Iterable[Request], slow_after: float) -> float:
    """Return the milliseconds from the first bad request to the end of the last bad run.

    A run ends with the start of the next good request of the service.
    """
    judged = _judged(requests, slow_after)
    bad = [request for request in judged if _bad(request, slow_after)]
    if not bad:
        return 0.0
    ends = []
    for service in {request.service for request in bad}:
        last = max(request.start for request in bad if request.service == service)
        later_starts = (
            request.start
            for request in judged
            if request.service == service and request.start > last
        )
        ends.append(min(later_starts, default=judged[-1].start))
    return (max(ends) - bad[0].start) * 1000


def _judged(requests: Iterable[Request], slow_after: float) -> list[Request]:
    """Return the requests by start, without unanswered ones that are too young to be bad."""
    by_start = sorted(requests, key=lambda request: request.start)
    horizon = by_start[-1].start - slow_after if by_start else 0.0
    return [
        request
        for request in by_start
        if request.start <= horizon or request.done is not None or request.error
    ]


def _bad(request: Request, slow_after: float) -> bool:
    return bool(request.error) or request.done is None or request.done > slow_after


def failed(requests: Iterable[Request]) -> int:
    """Return the number of requests that failed or were never answered."""
    return sum(bool(request.error) or request.done is None for request in requests)


def slowest(requests: Iterable[Request]) -> float | None:
    """Return the milliseconds of the slowest good request; None without a good request."""
    times = (
        request.done * 1000
        for request in requests
        if request.done is not None and not request.error
    )
    return max(times, default=None)


def survivors(
    connections: Iterable[Connection], since: float, until: float = math.inf
) -> ConnectionStats:
    """Return the connections open at `since`, and those of them that were not lost up to `until`.

    A connection that its server closed in good order after `since` was not lost.
    """
    established = [
        connection
        for connection in connections
        if connection.opened
        <= since
        < min(_or_never(connection.lost), _or_never(connection.closed))
    ]
    lost = sum(
        connection.lost is not None and connection.lost <= until for connection in established
    )
    return ConnectionStats(len(established), len(established) - lost)


def _or_never(moment: float | None) -> float:
    return math.inf if moment is None else moment


def silences(adverts: Iterable[Advert], advert_int: float) -> tuple[AdvertGap, ...]:
    """Return the gaps between adverts of a VRID that exceed one and a half advert intervals.

    IPv4 and IPv6 have separate VRIDs (RFC 5798 §5.2.3).
    """
    gaps = []
    last: dict[tuple[int, bool], Advert] = {}
    for advert in sorted(adverts, key=lambda advert: advert.at):
        router = (advert.vrid, ":" in advert.source)
        before = last.get(router)
        if before and advert.at - before.at > MAX_ADVERT_GAP * advert_int:
            gaps.append(AdvertGap(advert.vrid, before.at, advert.at))
        last[router] = advert
    return tuple(gaps)


def split_brain_intervals(
    adverts: Iterable[Advert], vrid: int, interval: float
) -> tuple[SplitBrain, ...]:
    """Return the split brains of `vrid`: two sources advertise it at the same time.

    `interval` is the advert interval. Two masters take turns at every interval. So there is a split
    brain when the source has changed four times (A B A B A) within three and a half intervals: the
    third advert after the second source's first advert shows it. A hand-over changes the source
    once. If both directors send at the same moment, or the old master sends once more, it changes
    at most three times.
    """
    split_brains: list[SplitBrain] = []
    vrid_adverts = sorted(
        (advert for advert in adverts if advert.vrid == vrid), key=lambda advert: advert.at
    )
    for ipv6 in (False, True):
        changes: list[tuple[Advert, Advert]] = []
        family = [advert for advert in vrid_adverts if (":" in advert.source) == ipv6]
        for before, advert in itertools.pairwise(family):
            if advert.source == before.source:
                continue
            changes.append((before, advert))
            if len(changes) >= 4 and advert.at - changes[-4][0].at <= 3.5 * interval:
                _extend(split_brains, vrid, changes[-4:])
    return tuple(sorted(split_brains, key=lambda split_brain: split_brain.start))


def _extend(
    split_brains: list[SplitBrain], vrid: int, changes: Sequence[tuple[Advert, Advert]]
) -> None:
    """Extend the last split brain by four changes of the source, or add a new split brain."""
    start, end = changes[0][1].at, changes[-1][1].at
    sources = {advert.source for change in changes for advert in change}
    last = split_brains[-1] if split_brains else None
    if last and start <= last.end and sources & set(last.sources):
        sources |= set(last.sources)
        split_brains[-1] = last._replace(end=end, sources=tuple(sorted(sources)))
    else:
        split_brains.append(SplitBrain(vrid, tuple(sorted(sources)), start, end, end))
