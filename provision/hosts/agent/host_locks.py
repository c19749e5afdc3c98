"""The hosts of a run of drills, locked for it: a deploy meanwhile would break what is measured, and be broken."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from provision.core.errors import HostError
from provision.hosts.agent import program
from provision.hosts.agent.transaction import refusal
from provision.hosts.channel import Channel
from provision.hosts.parallel import run_parallel
from provision.hosts.protocol import decode_line, encode_line
from provision.hosts.sessions import Sessions

HEARTBEAT_INTERVAL = 15.0
"""Seconds between two words to each host; it lets go after 60 without one (agent/hold.sh)."""

ENDING = 5.0
"""Seconds for the agents to let go: who comes next finds no lock."""


class HostLocks:
    """Hosts that no deploy may touch until the block ends; a context manager. One exec on each.

    Entering raises Locked where a deploy is at work on one of them, or another run of drills, and holds none then.
    """

    def __init__(self, sessions: Sessions, hosts: Iterable[str], who: str) -> None:
        self._sessions = sessions
        self._hosts = tuple(hosts)
        self._who = who
        self._channels: dict[str, Channel] = {}
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True, name="hold")

    def __enter__(self) -> HostLocks:
        try:
            run_parallel(self._take, self._hosts)
        except BaseException:
            self._let_go()
            raise
        self._beats.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._beats.join(ENDING)
        self._let_go()

    def renew(self) -> None:
        """Take hosts again that were lost meanwhile: a drill cuts their power, or their connection."""
        self._say_so()
        for host in self._hosts:
            if host not in self._channels:
                with suppress(
                    HostError
                ):  # it is not there yet, or has not noticed yet: the drills say what is wrong
                    self._take(host)

    def _take(self, host: str) -> None:
        channel = self._sessions.of(host).run_agent(program("hold"))
        try:
            channel.send(encode_line(self._who))
            word, *fields = decode_line(channel.read_line() or b"\n")
            if word != "held":
                raise refusal(host, word, fields) or HostError(
                    host, " ".join(fields) or "the connection was lost"
                )
        except BaseException:
            channel.close()
            raise
        self._channels[host] = channel

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_INTERVAL):
            self._say_so()

    def _say_so(self) -> None:
        """Tell each host that somebody is still there, and forget those that cannot be told."""
        for host, channel in tuple(self._channels.items()):
            try:
                channel.send(encode_line("beat"))
            except HostError:
                self._channels.pop(host, None)

    def _let_go(self) -> None:
        run_parallel(_end, tuple(self._channels.values()))


def _end(channel: Channel) -> None:
    """Let go of a host, and wait until it has."""
    with suppress(HostError):
        channel.end_input()
        channel.exit_status(ENDING)
    channel.close()
