"""Watchers of the directors during drills: they report addresses and IPVS tables as they change."""

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
"""Seconds between two polls of the table; changes of addresses are reported at once."""


class Watch:
    """A watcher on each director; a context manager. Times are `time.monotonic()`."""

    def __init__(self, sessions: Sessions, directors: Sequence[str]) -> None:
        self.directors = tuple(directors)
        self._sessions = sessions
        self._channels: dict[str, Channel] = {}
        self._states: list[DirectorState] = []
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
        """Watch a director; a watcher that still runs is replaced. Raises HostError."""
        self.stop(host)
        channel = self._sessions.of(host).run_agent(program("watch"))
        channel.send(b"\n")  # the first poll of the table
        state = DirectorState(host, time.monotonic())
        while line := channel.read_line():
            state = _next_state(state, line, time.monotonic())
            if line.startswith(b"table"):
                break
        if not line:
            raise HostError(host, "it cannot be watched", "check that iproute2's `ip` is installed")
        with self._lock:
            self._states.append(state)
            self._channels[host] = channel
            self._lost.discard(host)
        threading.Thread(
            target=self._read, args=(host, channel), daemon=True, name=f"watch {host}"
        ).start()

    def stop(self, host: str) -> None:
        """Stop watching a director; its last state stays valid."""
        with self._lock:
            channel = self._channels.pop(host, None)
        if channel is not None:
            channel.end_input()
            with contextlib.suppress(HostError):
                channel.exit_status(2)
            channel.close()

    def gone(self, host: str, at: float) -> None:
        """Note that a director was cut off at `at`: from then on it holds no address."""
        with self._lock:
            channel = self._channels.pop(host, None)
            self._states = [state for state in self._states if state.host != host or state.at < at]
            self._states.append(DirectorState(host, at))
        if channel is not None:
            channel.close()

    def check(self) -> None:
        """Raise HostError when the connection to a director is lost that was not cut off."""
        with self._lock:
            lost = sorted(self._lost)
        if lost:
            raise HostError(lost[0], "the connection was lost during the drill")

    def restart(self) -> None:
        """Watch again the directors whose watcher was lost. Raises HostError if a login fails."""
        with self._lock:
            lost = sorted(self._lost)
        for host in lost:
            self.start(host)

    def latest(self, host: str) -> DirectorState:
        """The latest state of a director."""
        with self._lock:
            return next(state for state in reversed(self._states) if state.host == host)

    def holders(self, vip: str) -> tuple[str, ...]:
        """The directors that hold the VIP, in the order of `directors`."""
        return tuple(host for host in self.directors if vip in self.latest(host).held)

    def states(self, since: float) -> tuple[DirectorState, ...]:
        """All states from `since` on, in order; before them each director's state at that time."""
        with self._lock:
            states = list(self._states)
        before = {state.host: state for state in states if state.at <= since}
        return (*before.values(), *(state for state in states if state.at > since))

    def _tick(self) -> None:
        while not self._ended.wait(POLL_INTERVAL):
            with self._lock:
                channels = list(self._channels.values())
            for channel in channels:
                # The reader notices a lost connection.
                with contextlib.suppress(HostError):
                    channel.send(b"\n")

    def _read(self, host: str, channel: Channel) -> None:
        with contextlib.suppress(HostError):
            while (line := channel.read_line()) is not None:
                moment = time.monotonic()
                with self._lock:
                    if self._channels.get(host) is not channel:
                        return
                    state = next(state for state in reversed(self._states) if state.host == host)
                    new = _next_state(state, line, moment)
                    if new != replace(state, at=new.at):
                        self._states.append(new)
        with self._lock:
            if self._channels.get(host) is channel:
                self._lost.add(host)


def _next_state(state: DirectorState, line: bytes, moment: float) -> DirectorState:
    """The state of a director after a line from its watcher."""
    if not line.startswith(b"table"):
        return state.with_address_line(line.decode("utf-8", "replace"), moment)
    with contextlib.suppress(ValueError):
        return replace(state, at=moment, table=kernel_table(decode_line(line)[1:]))
    return state
