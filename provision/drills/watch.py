"""Watching the directors during drills: who holds what, and the table, from the moment they change."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from provision.core.errors import HostError
from provision.drills.director_state import DirectorState
from provision.drills.table import kernel_table
from provision.hosts.agent import program
from provision.hosts.channel import Channel
from provision.hosts.protocol import decode_line
from provision.hosts.sessions import Sessions

POLL_INTERVAL = 0.2
"""Seconds from one look at the table to the next; addresses are told at once."""


class Watch:
    """A watcher on each director. A context manager; times are the controller's `time.monotonic()`."""

    def __init__(self, sessions: Sessions, directors: Sequence[str]) -> None:
        self.directors = tuple(directors)
        self._sessions = sessions
        self._channels: dict[str, Channel] = {}
        self._sights: list[DirectorState] = []
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True, name="watch")

    def __enter__(self) -> Watch:
        """Start the watchers. Raises HostError where one cannot be started."""
        for host in self.directors:
            self.start(host)
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for host in self.directors:
            self.stop(host)

    def start(self, host: str) -> None:
        """Watch a director, again where its connection was lost. Raises HostError."""
        self.stop(host)
        channel = self._sessions.of(host).run_agent(program("watch"))
        channel.send(b"\n")  # the first look at the table
        sight = DirectorState(host, time.monotonic())
        while line := channel.read_line():
            sight = _seen(sight, line, time.monotonic())
            if line.startswith(b"table"):
                break
        if not line:
            raise HostError(host, "it cannot be watched", "is iproute2's `ip` there?")
        with self._lock:
            self._sights.append(sight)
            self._channels[host] = channel
            self._lost.discard(host)
        threading.Thread(
            target=self._read, args=(host, channel), daemon=True, name=f"watch {host}"
        ).start()

    def stop(self, host: str) -> None:
        """Watch a director no longer; what it was seen to be last goes on to count."""
        with self._lock:
            channel = self._channels.pop(host, None)
        if channel is not None:
            channel.end_input()
            with contextlib.suppress(HostError):
                channel.exit_status(2)
            channel.close()

    def gone(self, host: str, at: float) -> None:
        """A director's power was cut at `at`: it holds nothing from then on."""
        with self._lock:
            channel = self._channels.pop(host, None)
            self._sights = [sight for sight in self._sights if sight.host != host or sight.at < at]
            self._sights.append(DirectorState(host, at))
        if channel is not None:
            channel.close()

    def check(self) -> None:
        """Raise HostError when a director can no longer be watched though nobody cut it off."""
        with self._lock:
            lost = sorted(self._lost)
        if lost:
            raise HostError(lost[0], "the connection was lost in mid-drill")

    def restart(self) -> None:
        """Watch again every director whose watcher was lost. Raises HostError where it cannot be logged in to."""
        with self._lock:
            lost = sorted(self._lost)
        for host in lost:
            self.start(host)

    def now(self, host: str) -> DirectorState:
        """What the director was seen to be last."""
        with self._lock:
            return next(sight for sight in reversed(self._sights) if sight.host == host)

    def holders(self, vip: str) -> tuple[str, ...]:
        """The directors that hold the VIP, in the order of `directors`."""
        return tuple(host for host in self.directors if vip in self.now(host).held)

    def sights(self, since: float) -> tuple[DirectorState, ...]:
        """All sights from `since` on, in order, and before them what each director was at that time."""
        with self._lock:
            found = list(self._sights)
        before = {sight.host: sight for sight in found if sight.at <= since}
        return (*before.values(), *(sight for sight in found if sight.at > since))

    def _tick(self) -> None:
        while not self._ended.wait(POLL_INTERVAL):
            with self._lock:
                channels = list(self._channels.values())
            for channel in channels:
                with contextlib.suppress(
                    HostError
                ):  # a pulled cable: its reader notices in the end
                    channel.send(b"\n")

    def _read(self, host: str, channel: Channel) -> None:
        with contextlib.suppress(HostError):
            while (line := channel.read_line()) is not None:
                moment = time.monotonic()
                with self._lock:
                    if self._channels.get(host) is not channel:
                        return
                    sight = next(one for one in reversed(self._sights) if one.host == host)
                    seen = _seen(sight, line, moment)
                    if seen != replace(sight, at=seen.at):
                        self._sights.append(seen)
        with self._lock:
            if self._channels.get(host) is channel:
                self._lost.add(host)


def _seen(sight: DirectorState, line: bytes, moment: float) -> DirectorState:
    """The sight after a line of the watcher."""
    if not line.startswith(b"table"):
        return sight.with_address_line(line.decode("utf-8", "replace"), moment)
    with contextlib.suppress(ValueError):
        return replace(sight, at=moment, table=kernel_table(decode_line(line)[1:]))
    return sight
