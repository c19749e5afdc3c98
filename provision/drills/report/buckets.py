"""Requests gathered into equal stretches of time, so that 20,000 of them are drawn as a few hundred. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from provision.prober.record import Request


@dataclass(frozen=True)
class Bucket:
    """The requests that began in one stretch of time; `start` in seconds, times of the good ones in ms.

    `bad` counts those that failed or were never answered. `median_ms` and `slowest_ms` are None where none was good.
    """

    start: float
    requests: int
    bad: int
    median_ms: float | None
    slowest_ms: float | None


def buckets(
    requests: Iterable[Request], start: float, end: float, width: float
) -> tuple[Bucket, ...]:
    """The buckets of `width` seconds between `start` and `end` in which requests began; empty ones are left out."""
    found: dict[int, list[Request]] = {}
    for request in requests:
        if start <= request.start < end:
            found.setdefault(int((request.start - start) / width), []).append(request)
    return tuple(_bucket(start + index * width, found[index]) for index in sorted(found))


def _bucket(start: float, requests: list[Request]) -> Bucket:
    times = [
        request.done * 1000
        for request in requests
        if request.done is not None and not request.error
    ]
    median = statistics.median(times) if times else None
    return Bucket(
        start, len(requests), len(requests) - len(times), median, max(times, default=None)
    )
