"""Faults on a host: injected on command, undone on command, and by a guard on the host where no command comes.

The vocabulary is the agent's (agent/fault.sh): `unit-stop UNIT`, `unit-kill UNIT`, `unit-flap UNIT TIMES SECONDS`,
`vrrp-block`, `address-del ADDRESS/PREFIX DEVICE LABEL`, `file-write PATH VALUE`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from provision.core.errors import HostError, Locked
from provision.hosts.agent import program
from provision.hosts.channel import Channel
from provision.hosts.parallel import run_parallel
from provision.hosts.protocol import ProtocolError, decode_line, encode_line
from provision.hosts.sessions import Sessions


@dataclass(frozen=True)
class FaultSpec:
    """A fault to inject: on which host, of which kind, with which arguments."""

    host: str
    kind: str
    arguments: tuple[str, ...] = ()


class Fault:
    """One fault on one host. `limit` is in whole seconds, after which the host undoes the fault by itself."""

    def __init__(self, sessions: Sessions, name: str, spec: FaultSpec, limit: int) -> None:
        self.spec = spec
        self.limit = limit
        self.leftovers: tuple[str, ...] = ()
        self._name = name
        self._sessions = sessions
        self._channel: Channel | None = None

    def arm(self) -> None:
        """Get the host ready; the guard runs from here on. Raises HostError with nothing changed but left-overs undone.

        Raises:
            Locked: another run is breaking this host right now.
        """
        self._channel = self._sessions.of(self.spec.host).run_agent(program("fault"))
        order = encode_line(
            "inject", self._name, str(self.limit), self.spec.kind, *self.spec.arguments
        )
        self._channel.send(order)
        while (fields := self._answer())[0] == "leftover":
            self.leftovers += (fields[1],)
        self._expect(fields, "ready")

    def inject(self) -> float:
        """Inject it; returns the `time.monotonic()` just before the word went out. Raises HostError where it fails."""
        assert self._channel is not None
        moment = time.monotonic()
        self._channel.send(encode_line("go"))
        self._expect(self._answer(), "injected")
        return moment

    def finish(self) -> None:
        """Wait for the end of a fault that takes a while. Raises HostError."""
        self._expect(self._answer(), "done")

    def undo(self) -> None:
        """Undo it, over a new login where the first is lost. Nothing happens where it was undone or never armed.

        Raises HostError where the fault stays, and says until when; or where the guard came first.
        """
        channel, self._channel = self._channel, None
        if channel is None:
            return
        try:
            channel.send(encode_line("undo"))
            fields = _read(self.spec.host, channel)
            while fields[0] in (
                "leftover",
                "ready",
                "injected",
                "done",
            ):  # interrupted before this was read
                fields = _read(self.spec.host, channel)
        except HostError:
            fields = self._undo_by_another_login()
        finally:
            channel.close()
        if fields[0] == "undone" and fields[1:] == ("guard",):
            what = f"the fault was undone after {self.limit} s by its guard, before the drill had ended"
            raise HostError(self.spec.host, what, "was the connection lost, or the host too slow?")
        if fields[0] != "undone":
            raise HostError(
                self.spec.host, f"the fault could not be undone: {' '.join(fields[1:])}"
            )

    def _undo_by_another_login(self) -> tuple[str, ...]:
        host = self.spec.host
        try:
            self._sessions.drop(host)
            channel = self._sessions.of(host).run_agent(program("fault"))
            channel.send(encode_line("undo", self._name))
            fields = _read(host, channel)
            channel.close()
        except HostError as error:
            what = f"the connection was lost while the fault was in place; the guard on {host} undoes it within"
            raise HostError(host, f"{what} {self.limit} s", str(error)) from error
        return fields[:1]

    def _answer(self) -> tuple[str, ...]:
        assert self._channel is not None
        return _read(self.spec.host, self._channel)

    def _expect(self, fields: tuple[str, ...], word: str) -> None:
        if fields[0] == word:
            return
        if fields[0] == "busy":
            what = f"another run is breaking this host right now ({fields[1]})"
            raise Locked(
                self.spec.host, what, "wait for it; a dead one's fault is undone by its guard"
            )
        raise HostError(
            self.spec.host, f"the fault {self.spec.kind} did not take hold: {' '.join(fields[1:])}"
        )


def traces(
    sessions: Sessions, hosts: Iterable[str]
) -> dict[str, tuple[frozenset[str], tuple[str, ...]]]:
    """What drills could leave on each host (files, packet filters, processes), and the left-over faults it undid.

    Raises HostError for a host that cannot be asked, Locked where another run is at work.
    """
    names = list(hosts)
    return dict(zip(names, run_parallel(lambda host: _traces(sessions, host), names), strict=True))


def _traces(sessions: Sessions, host: str) -> tuple[frozenset[str], tuple[str, ...]]:
    channel = sessions.of(host).run_agent(program("fault"))
    found, leftovers = set(), []
    try:
        channel.send(encode_line("traces"))
        while (fields := _read(host, channel))[0] != "end":
            if fields[0] == "trace":
                found.add(" ".join(fields[1:]))
            elif fields[0] == "leftover":
                leftovers.append(fields[1])
            elif fields[0] == "busy":
                raise Locked(
                    host,
                    f"another run is breaking this host right now ({fields[1]})",
                    "wait for it",
                )
            else:
                raise HostError(
                    host, f"a fault of an earlier run could not be undone: {' '.join(fields[1:])}"
                )
    finally:
        channel.close()
    return frozenset(found), tuple(leftovers)


def _read(host: str, channel: Channel) -> tuple[str, ...]:
    line = channel.read_line()
    if line is None or not line.endswith(b"\n"):
        raise HostError(host, "the connection was lost")
    try:
        return decode_line(line)
    except ProtocolError as error:
        raise HostError(host, str(error)) from error
