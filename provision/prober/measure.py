"""What the records mean. Pure functions; times in are seconds, figures out are milliseconds where the name says so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from provision.prober.record import Advert, Connection, Request


class Floor(NamedTuple):
    """Requests while nothing is wrong: how many, how many failed, and in ms how long the good ones took."""

    requests: int
    failed: int
    median_ms: float
    p99_ms: float
    slowest_ms: float


class Survivors(NamedTuple):
    """Long-lived connections: open at the moment asked for, and those of them that were not lost after it."""

    established: int
    survived: int


class Silence(NamedTuple):
    """A time in which nobody advertised a VRID; `start` is the last advert before, `end` the first one after."""

    vrid: int
    start: float
    end: float


class Rivalry(NamedTuple):
    """Two directors or more that advertised one VRID at the same time.

    `start` is the first advert of the second of them, `known` the advert by which it was certain, `end` the last.
    """

    vrid: int
    sources: tuple[str, ...]
    start: float
    known: float
    end: float


def noise(requests: Iterable[Request]) -> Floor:
    """The noise floor: what the prober measures while nothing is wrong."""
    raise NotImplementedError


def slow_after(floor: Floor) -> float:
    """The seconds after which an answer is a late one, given the noise floor."""
    raise NotImplementedError


def outage(requests: Iterable[Request], slow_after: float) -> float:
    """Milliseconds of the longest run of bad requests of one service, 0 for none.

    A request is bad when it failed, was not answered, or took longer than `slow_after` seconds.
    """
    raise NotImplementedError


def affected(requests: Iterable[Request], slow_after: float) -> float:
    """Milliseconds from the first bad request of any service to the good one after the last bad one."""
    raise NotImplementedError


def failed(requests: Iterable[Request]) -> int:
    """How many requests failed or were never answered."""
    raise NotImplementedError


def slowest(requests: Iterable[Request]) -> float | None:
    """Milliseconds of the slowest good request; None without any."""
    raise NotImplementedError


def survivors(connections: Iterable[Connection], since: float, until: float = math.inf) -> Survivors:
    """The connections open at `since`, and those of them not lost up to `until`."""
    raise NotImplementedError


def silences(adverts: Iterable[Advert], advert_int: float) -> tuple[Silence, ...]:
    """Every gap between two adverts of a VRID that is longer than one and a half advert intervals."""
    raise NotImplementedError


def two_speakers(adverts: Iterable[Advert], vrid: int, interval: float) -> tuple[Rivalry, ...]:
    """When two sources advertised `vrid` at the same time: split brain. `interval` is the advert interval."""
    raise NotImplementedError
