"""The controller's side of a running prober: start it on the client, collect its records, compare the clocks."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from provision.core.errors import HostError
from provision.hosts.channel import Channel, Session
from provision.prober import program
from provision.prober.collector import Collector
from provision.prober.local_session import LocalSession
from provision.prober.record import ProbeService, Recording

REQUEST_TIMEOUT = 3.0
"""Seconds for each request: a lost SYN comes again after 1 s (RFC 6298 §2), and then shows as a slow answer."""

SILENCE = 5.0
"""Seconds without a line, of which twenty a second should come, after which the prober counts as gone."""

OPENINGS = {"tls": "it answers no TLS client", "kafka": "it answers no Kafka client"}
"""What is said of a service that is not what it was taken for."""

PINGS = 8
"""Exchanges by which the clocks are compared at the start; the one with the shortest round trip counts."""


class Prober:
    """A prober at work. `services` are what it really asks: plain connections where its trial got no good answer.

    `messages` are for the operator: what is not measured, and why.
    """

    services: tuple[ProbeService, ...]
    messages: tuple[str, ...]

    def __init__(
        self, host: str, channel: Channel, services: Sequence[ProbeService], cadence: float
    ) -> None:
        self._host = host
        self._channel = channel
        self._error: HostError | None = None
        self._lock = threading.Lock()
        self._samples = 0
        self._best = (float("inf"), 0.0)
        self._compared = threading.Event()
        ready = program.read(channel, host)
        self.services = tuple(
            service if answers else dataclasses.replace(service, path=None, opening="")
            for service, answers in zip(services, ready["ready"]["answers"], strict=True)
        )
        self.messages = _messages(services, ready["ready"])
        self._collector = Collector(self.services, cadence, ready["begin"])
        self._heard = time.monotonic()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        session: Session,
        services: Sequence[ProbeService],
        *,
        cadence: float = 0.005,
        connections: int = 200,
        limit_seconds: float = 600.0,
    ) -> Prober:
        """Start asking every service each `cadence` seconds, with `connections` long-lived ones spread over them.

        It ends by itself after `limit_seconds`, or when the connection to it goes. Raises HostError where the client
        cannot run it.
        """
        if not services:
            raise HostError(
                session.host, "there is nothing to probe", "only TCP services can be probed"
            )
        settings = {
            "task": "load",
            "services": [
                (each.address, each.port, each.path, each.host, each.opening) for each in services
            ],
            "cadence": cadence,
            "connections": connections,
            "limit": limit_seconds,
            "patience": REQUEST_TIMEOUT,
        }
        channel = program.start(session, settings)
        try:
            prober = cls(session.host, channel, services, cadence)
            prober._compare()
        except BaseException:
            channel.close()
            raise
        return prober

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; nothing is raised here."""
        with contextlib.suppress(HostError, OSError):
            self._channel.close()
        self._reader.join(5)

    @property
    def offset(self) -> float:
        """Seconds to add to the controller's monotonic clock to get the client's."""
        return self._best[1]

    @property
    def uncertainty(self) -> float:
        """By how many seconds `offset` can be wrong: half the round trip of its best sample."""
        return self._best[0] / 2

    def to_client(self, moment: float) -> float:
        """A `time.monotonic()` of the controller on the client's clock."""
        return moment + self.offset

    @property
    def established(self) -> int:
        """How many long-lived connections are open now. Raises HostError when the prober is gone."""
        self.check()
        return self._collector.alive

    def check(self) -> None:
        """Raise HostError when the prober is gone: the connection was lost or hangs, or its time limit came."""
        if self._error:
            raise self._error
        if not self._collector.ended and time.monotonic() - self._heard > SILENCE:
            raise HostError(
                self._host, f"nothing was heard from the prober for {SILENCE:.0f} seconds"
            )

    def recording(self) -> Recording:
        """All records up to 0.2 s ago, from any thread and after any loss; unanswered requests have no `done`."""
        with self._lock:
            return self._collector.recording()

    def stop(self) -> Recording:
        """Begin no more requests, wait for the answers still due (3 s at most), end it and return everything.

        Each long-lived connection is asked once more: one that does not answer is lost. Raises HostError when the
        prober was gone already; `recording` then has what came before.
        """
        self.check()
        self._channel.send(b"stop\n")
        self._reader.join(REQUEST_TIMEOUT + 5)
        self.check()
        if not self._collector.ended:
            raise HostError(self._host, "the prober does not stop")
        self._channel.close()
        return self.recording()

    def _compare(self) -> None:
        """Compare the clocks: one exchange after the other."""
        for _ in range(PINGS):
            self._compared.clear()
            self._ping()
            if not self._compared.wait(5):
                self.check()
                raise HostError(self._host, "the prober does not answer")
            self.check()

    def _ping(self) -> None:
        self._samples += 1
        self._sent = time.monotonic()
        self._channel.send(b"ping %d\n" % self._samples)

    def _read(self) -> None:
        """Take in what the prober says, until its end."""
        try:
            while not self._collector.ended:
                said = program.read(self._channel, self._host)
                self._heard = time.monotonic()
                if "pong" in said:
                    self._pong(said, self._heard)
                else:
                    with self._lock:
                        self._collector.take(said)
        except (HostError, OSError, ValueError) as error:
            self._error = (
                error
                if isinstance(error, HostError)
                else HostError(self._host, "the connection was lost")
            )
        self._compared.set()

    def _pong(self, said: dict[str, Any], now: float) -> None:
        """One sample: the client's time is that of the middle of the exchange, give or take half of it."""
        if said["pong"] != self._samples:
            return
        trip = now - self._sent
        if trip < self._best[0]:
            self._best = (trip, said["at"] - (now + self._sent) / 2)
        self._compared.set()


def _messages(services: Sequence[ProbeService], ready: dict[str, Any]) -> tuple[str, ...]:
    found = list(ready["notes"])
    for service, answers, persistent, said in zip(
        services, ready["answers"], ready["persistent"], ready["said"], strict=True
    ):
        if (service.path or service.opening) and not answers:
            wanted = OPENINGS.get(service.opening) or f"GET {service.path} got no page"
            found.append(f"{service.name}: plain connections are measured; {wanted} ({said})")
        elif service.path and answers and not persistent:
            found.append(
                f"{service.name}: the server ends each connection after an answer; the long-lived ones idle"
            )
    return tuple(dict.fromkeys(found))


def local_session() -> Session:
    """A session on the controller itself, for an inventory without a client."""
    return LocalSession()
