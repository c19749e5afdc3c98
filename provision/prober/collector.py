"""What the prober's lines add up to. No I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provision.prober.record import Advert, ArpClaim, Connection, ProbeService, Recording, Request


def heard(lines: Iterable[Sequence[Any]]) -> tuple[tuple[Advert, ...], tuple[ArpClaim, ...]]:
    """Adverts and claims from the lines in which the client tells them."""
    every = list(lines)
    adverts = tuple(Advert(*fields) for kind, *fields in every if kind == "advert")
    return adverts, tuple(ArpClaim(*fields) for kind, *fields in every if kind == "claim")


class Collector:
    """Puts a recording together. `alive` counts the open long-lived connections; `ended` says that all has come.

    Request n belongs to service n modulo their number and was due at `begin` + n × cadence / their number.
    """

    def __init__(self, services: tuple[ProbeService, ...], cadence: float, begin: float) -> None:
        self.alive = 0
        self.ended = False
        self._services = services
        self._begin = begin
        self._step = cadence / len(services)
        self._started = 0
        self._requests: dict[int, Request] = {}
        self._connections: dict[int, Connection] = {}
        self._adverts: list[Advert] = []
        self._claims: list[ArpClaim] = []
        self._wall = 0.0
        self._late = 0.0

    def take(self, said: Mapping[str, Any]) -> None:
        """Add one of the client's lines of records."""
        for number, connect, done, error in said["requests"]:
            self._requests[number] = self._request(number, connect, done, error)
        for what, number, at, *service in said["connections"]:
            if what == "open":
                self._connections[number] = Connection(service[0], at)
            else:
                change = {"closed": at} if what == "closed" else {"lost": at, "error": what}
                self._connections[number] = dataclasses.replace(self._connections[number], **change)
        adverts, claims = heard(said["heard"])
        self._adverts += adverts
        self._claims += claims
        self._started = said["started"]
        self._wall, self._late = said["wall"], said["late"]
        self.alive, self.ended = said["alive"], said["end"]

    def _request(self, number: int, connect: int | None, done: int | None, error: str) -> Request:
        return Request(
            number % len(self._services),
            self._begin + number * self._step,
            None if connect is None else connect / 1e6,
            None if done is None else done / 1e6,
            error,
        )

    def recording(self) -> Recording:
        """Everything so far; what was begun and has not ended has neither `done` nor an error."""
        requests = (
            self._requests.get(number) or self._request(number, None, None, "")
            for number in range(self._started)
        )
        return Recording(
            self._services,
            tuple(requests),
            tuple(self._connections.values()),
            tuple(sorted(self._adverts, key=lambda advert: advert.at)),
            tuple(sorted(self._claims, key=lambda claim: claim.at)),
            self._wall,
            self._late,
        )
