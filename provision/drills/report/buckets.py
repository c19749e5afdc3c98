"""Buckets of requests: 20,000 requests are drawn as a few hundred buckets of equal width. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from provision.prober.record import Request


@dataclass(frozen=True)
class Bucket:
    """The requests that began in one period of time; `start` is in seconds.

    `bad` counts the requests that failed or were never answered. `median_ms` and `slowest_ms` are
    those of the good requests, None where there are none.
    """

    start: float
    requests: int
    bad: int
    median_ms: float | None
    slowest_ms: float | None


def buckets(
    requests: Iterable[Request], start: float, end: float, width: float
) -> tuple[Bucket, ...]:
    """The buckets of `width` seconds between `start` and `end`, without empty buckets."""
    by_index: dict[int, list[Request]] = {}
    for request in requests:
        if start <= request.start < end:
            by_index.setdefault(int((request.start - start) / width), []).append(request)
    return tuple(_bucket(start + index * width, by_index[index]) for index in sorted(by_index))


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
