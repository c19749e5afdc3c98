"""The controller's end of a running prober: it starts it, collects records and compares clocks."""

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
"""Seconds for a request. A lost SYN is repeated after 1 s (RFC 6298 §2): a slow answer."""

SILENCE_TIMEOUT = 5.0
"""Seconds without a line after which the prober counts as gone. It prints twenty lines a second."""

OPENINGS = {"tls": "it answers no TLS client", "kafka": "it answers no Kafka client"}
"""Messages for services that do not speak the expected protocol, by `opening`."""

PINGS = 8
"""Exchanges that compare the clocks at the start. The one with the shortest round trip counts."""


class Prober:
    """A running prober. `services` are the probed services.

    A service has plain connections if its preflight check got no good answer. `messages` tell the
    operator which measurements are missing, and why.
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
        self._pong_received = threading.Event()
        ready = program.read(channel, host)
        self.services = tuple(
            service if answers else dataclasses.replace(service, path=None, opening="")
            for service, answers in zip(services, ready["ready"]["answers"], strict=True)
        )
        self.messages = _messages(services, ready["ready"])
        self._collector = Collector(self.services, cadence, ready["begin"])
        self._last_line_at = time.monotonic()
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
        """Start a prober that sends each service a request every `cadence` seconds.

        `connections` long-lived connections are spread over the services. The prober ends after
        `limit_seconds`, or when the connection to it is lost.

        Raises:
            HostError: the client cannot run it.
        """
        if not services:
            raise HostError(
                session.host, "there is nothing to probe", "only TCP services can be probed"
            )
        settings = {
            "task": "load",
            "services": [
                (service.address, service.port, service.path, service.host, service.opening)
                for service in services
            ],
            "cadence": cadence,
            "connections": connections,
            "limit": limit_seconds,
            "patience": REQUEST_TIMEOUT,
        }
        channel = program.start(session, settings)
        try:
            prober = cls(session.host, channel, services, cadence)
            prober._compare_clocks()
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
        """End the prober. Nothing is raised."""
        with contextlib.suppress(HostError, OSError):
            self._channel.close()
        self._reader.join(5)

    @property
    def offset(self) -> float:
        """Seconds to add to the controller's monotonic clock to get the client's clock."""
        return self._best[1]

    @property
    def uncertainty(self) -> float:
        """Maximum error of `offset` in seconds: half the round trip of the best sample."""
        return self._best[0] / 2

    def to_client(self, moment: float) -> float:
        """Return a `time.monotonic()` of the controller as a time of the client's clock."""
        return moment + self.offset

    @property
    def established(self) -> int:
        """The number of open long-lived connections. Raises HostError if the prober is gone."""
        self.check()
        return self._collector.alive

    def check(self) -> None:
        """Raise HostError if the prober hangs, its time is over, or the connection is lost."""
        if self._error:
            raise self._error
        if not self._collector.ended and time.monotonic() - self._last_line_at > SILENCE_TIMEOUT:
            raise HostError(
                self._host, f"nothing was heard from the prober for {SILENCE_TIMEOUT:.0f} seconds"
            )

    def recording(self) -> Recording:
        """Return the records up to 0.2 s ago, also after a loss. Open requests have no `done`.

        Any thread may call it.
        """
        with self._lock:
            return self._collector.recording()

    def stop(self) -> Recording:
        """End the prober, wait for the last answers (at most 3 s), and return all records.

        No more requests begin. Each long-lived connection gets a last request, and is lost without
        an answer.

        Raises:
            HostError: the prober is gone; `recording` has the records so far.
        """
        self.check()
        self._channel.send(b"stop\n")
        self._reader.join(REQUEST_TIMEOUT + 5)
        self.check()
        if not self._collector.ended:
            raise HostError(self._host, "the prober does not stop")
        self._channel.close()
        return self.recording()

    def _compare_clocks(self) -> None:
        """Compare the clocks by several exchanges, one after the other."""
        for _ in range(PINGS):
            self._pong_received.clear()
            self._ping()
            if not self._pong_received.wait(5):
                self.check()
                raise HostError(self._host, "the prober does not answer")
            self.check()

    def _ping(self) -> None:
        self._samples += 1
        self._sent = time.monotonic()
        self._channel.send(b"ping %d\n" % self._samples)

    def _read(self) -> None:
        """Collect the prober's lines until its end."""
        try:
            while not self._collector.ended:
                line = program.read(self._channel, self._host)
                self._last_line_at = time.monotonic()
                if "pong" in line:
                    self._pong(line, self._last_line_at)
                else:
                    with self._lock:
                        self._collector.take(line)
        except (HostError, OSError, ValueError) as error:
            self._error = (
                error
                if isinstance(error, HostError)
                else HostError(self._host, "the connection was lost")
            )
        self._pong_received.set()

    def _pong(self, line: dict[str, Any], now: float) -> None:
        """Take one sample: the client's time is in the middle of the exchange, ± half of it."""
        if line["pong"] != self._samples:
            return
        round_trip = now - self._sent
        if round_trip < self._best[0]:
            self._best = (round_trip, line["at"] - (now + self._sent) / 2)
        self._pong_received.set()


def _messages(services: Sequence[ProbeService], ready: dict[str, Any]) -> tuple[str, ...]:
    messages = list(ready["notes"])
    for service, answers, persistent, answer in zip(
        services, ready["answers"], ready["persistent"], ready["said"], strict=True
    ):
        if (service.path or service.opening) and not answers:
            problem = OPENINGS.get(service.opening) or f"GET {service.path} got no page"
            messages.append(f"{service.name}: plain connections are measured; {problem} ({answer})")
        elif service.path and answers and not persistent:
            messages.append(
                f"{service.name}: the server ends each connection after an answer; "
                "the long-lived ones idle"
            )
    return tuple(dict.fromkeys(messages))


def local_session() -> Session:
    """Return a session on the controller, for an inventory without a client."""
    return LocalSession()
