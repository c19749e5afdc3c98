"""Locks on the hosts of a run of drills: a deploy would disturb the drills, and they the deploy."""

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
"""Seconds between two words to each host. It unlocks itself after 60 s without one (lock.sh)."""

UNLOCK_TIMEOUT = 5.0
"""Maximum seconds to wait for the agents to unlock their hosts before the next run begins."""


class HostLocks:
    """Hosts that no deploy may change until the block ends. A context manager. One exec a host.

    Entering raises Locked if a deploy or another run of drills has locked one of the hosts. No host
    is locked then.
    """

    def __init__(self, sessions: Sessions, hosts: Iterable[str], who: str) -> None:
        self._sessions = sessions
        self._hosts = tuple(hosts)
        self._who = who
        self._channels: dict[str, Channel] = {}
        self._stopped = threading.Event()
        self._heartbeat = threading.Thread(target=self._send_heartbeats, daemon=True, name="hold")

    def __enter__(self) -> HostLocks:
        try:
            run_parallel(self._lock, self._hosts)
        except BaseException:
            self._unlock_all()
            raise
        self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._heartbeat.join(UNLOCK_TIMEOUT)
        self._unlock_all()

    def renew(self) -> None:
        """Lock hosts again whose lock was lost: a drill cuts their power or their connection."""
        self._send_heartbeat()
        for host in self._hosts:
            if host not in self._channels:
                # A host may still be down, or still hold the old lock. The drills report that.
                with suppress(HostError):
                    self._lock(host)

    def _lock(self, host: str) -> None:
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

    def _send_heartbeats(self) -> None:
        while not self._stopped.wait(HEARTBEAT_INTERVAL):
            self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        """Send a heartbeat to each host, and forget hosts that cannot be reached."""
        for host, channel in tuple(self._channels.items()):
            try:
                channel.send(encode_line("beat"))
            except HostError:
                self._channels.pop(host, None)

    def _unlock_all(self) -> None:
        run_parallel(_unlock, tuple(self._channels.values()))


def _unlock(channel: Channel) -> None:
    """Unlock a host, and wait until it is unlocked."""
    with suppress(HostError):
        channel.end_input()
        channel.exit_status(UNLOCK_TIMEOUT)
    channel.close()
