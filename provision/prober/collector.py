"""The collector builds a recording from the prober's lines. No I/O."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from provision.prober.record import Advert, ArpClaim, Connection, ProbeService, Recording, Request


def heard(lines: Iterable[Sequence[Any]]) -> tuple[tuple[Advert, ...], tuple[ArpClaim, ...]]:
    """Return the adverts and claims of the client's lines."""
    rows = list(lines)
    adverts = tuple(Advert(*fields) for kind, *fields in rows if kind == "advert")
    return adverts, tuple(ArpClaim(*fields) for kind, *fields in rows if kind == "claim")


class Collector:
    """Builds a recording. `alive` counts the open long-lived connections; `ended`: it is complete.

    With s services, request n belongs to service n modulo s. It was due at
    `begin` + n × cadence / s.
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

    def take(self, line: Mapping[str, Any]) -> None:
        """Add one of the client's lines of records."""
        for number, connect, done, error in line["requests"]:
            self._requests[number] = self._request(number, connect, done, error)
        for event, number, at, *service in line["connections"]:
            if event == "open":
                self._connections[number] = Connection(service[0], at)
            else:
                change = {"closed": at} if event == "closed" else {"lost": at, "error": event}
                self._connections[number] = dataclasses.replace(self._connections[number], **change)
        adverts, claims = heard(line["heard"])
        self._adverts += adverts
        self._claims += claims
        self._started = line["started"]
        self._wall, self._late = line["wall"], line["late"]
        self.alive, self.ended = line["alive"], line["end"]

    def _request(self, number: int, connect: int | None, done: int | None, error: str) -> Request:
        return Request(
            number % len(self._services),
            self._begin + number * self._step,
            None if connect is None else connect / 1e6,
            None if done is None else done / 1e6,
            error,
        )

    def recording(self) -> Recording:
        """Return the recording so far. Requests without an end have neither `done` nor an error."""
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
