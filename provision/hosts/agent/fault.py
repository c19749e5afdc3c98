"""Faults on a host: injected and undone on command, or undone by a guard on the host.

The agent (fault.sh) knows these faults: `unit-stop UNIT`, `unit-kill UNIT`,
`unit-flap UNIT TIMES SECONDS`, `vrrp-block`, `address-del ADDRESS/PREFIX DEVICE LABEL`,
`file-write PATH VALUE`.
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
    """A fault to inject: the host, the kind of fault and its arguments."""

    host: str
    kind: str
    arguments: tuple[str, ...] = ()


class Fault:
    """One fault on one host. After `limit` whole seconds the guard on the host undoes it."""

    def __init__(self, sessions: Sessions, name: str, spec: FaultSpec, limit: int) -> None:
        self.spec = spec
        self.limit = limit
        self.leftovers: tuple[str, ...] = ()
        self._name = name
        self._sessions = sessions
        self._channel: Channel | None = None

    def arm(self) -> None:
        """Undo faults that an earlier run left, start the guard, and prepare the host.

        Raises:
            Locked: another run injects a fault on this host now.
            HostError: the host is not ready; no fault was injected.
        """
        self._channel = self._sessions.of(self.spec.host).run_agent(program("fault"))
        request = encode_line(
            "inject", self._name, str(self.limit), self.spec.kind, *self.spec.arguments
        )
        self._channel.send(request)
        while (fields := self._answer())[0] == "leftover":
            self.leftovers += (fields[1],)
        self._expect(fields, "ready")

    def inject(self) -> float:
        """Inject the fault. Return the `time.monotonic()` just before the command was sent.

        Raises:
            HostError: the injection failed.
        """
        assert self._channel is not None
        moment = time.monotonic()
        self._channel.send(encode_line("go"))
        self._expect(self._answer(), "injected")
        return moment

    def finish(self) -> None:
        """Wait until a fault that takes some time has ended. Raises HostError."""
        self._expect(self._answer(), "done")

    def undo(self) -> None:
        """Undo the fault, over a new login if the first is lost. No effect if there is no fault.

        Raises:
            HostError: the fault remains, and the message says until when; or the guard undid it.
        """
        channel, self._channel = self._channel, None
        if channel is None:
            return
        try:
            channel.send(encode_line("undo"))
            fields = _read(self.spec.host, channel)
            # An interrupted run has not read these answers.
            while fields[0] in ("leftover", "ready", "injected", "done"):
                fields = _read(self.spec.host, channel)
        except HostError:
            fields = self._undo_by_another_login()
        finally:
            channel.close()
        if fields[0] == "undone" and fields[1:] == ("guard",):
            message = f"the guard undid the fault after {self.limit} s, before the drill ended"
            raise HostError(
                self.spec.host, message, "was the connection lost, or the host too slow?"
            )
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
            raise HostError(
                host,
                "the connection was lost while the fault was in place; "
                f"the guard on {host} undoes it within {self.limit} s",
                str(error),
            ) from error
        return fields[:1]

    def _answer(self) -> tuple[str, ...]:
        assert self._channel is not None
        return _read(self.spec.host, self._channel)

    def _expect(self, fields: tuple[str, ...], word: str) -> None:
        if fields[0] == word:
            return
        if fields[0] == "busy":
            raise _busy(self.spec.host, fields[1])
        raise HostError(
            self.spec.host,
            f"the fault {self.spec.kind} could not be injected: {' '.join(fields[1:])}",
        )


def _busy(host: str, name: str) -> Locked:
    return Locked(
        host,
        f"another run injects a fault on this host now ({name})",
        "wait until it ends; if that run died, the guard on the host undoes its fault",
    )


def traces(
    sessions: Sessions, hosts: Iterable[str]
) -> dict[str, tuple[frozenset[str], tuple[str, ...]]]:
    """Return, by host, the traces of drills and the names of the left-over faults that it undid.

    Traces are files, packet filters and processes.

    Raises:
        HostError: a host cannot be asked.
        Locked: another run injects a fault on a host.
    """
    names = list(hosts)
    return dict(zip(names, run_parallel(lambda host: _traces(sessions, host), names), strict=True))


def _traces(sessions: Sessions, host: str) -> tuple[frozenset[str], tuple[str, ...]]:
    channel = sessions.of(host).run_agent(program("fault"))
    lines, leftovers = set(), []
    try:
        channel.send(encode_line("traces"))
        while (fields := _read(host, channel))[0] != "end":
            if fields[0] == "trace":
                lines.add(" ".join(fields[1:]))
            elif fields[0] == "leftover":
                leftovers.append(fields[1])
            elif fields[0] == "busy":
                raise _busy(host, fields[1])
            else:
                raise HostError(
                    host, f"a fault of an earlier run could not be undone: {' '.join(fields[1:])}"
                )
    finally:
        channel.close()
    return frozenset(lines), tuple(leftovers)


def _read(host: str, channel: Channel) -> tuple[str, ...]:
    line = channel.read_line()
    if line is None or not line.endswith(b"\n"):
        raise HostError(host, "the connection was lost")
    try:
        return decode_line(line)
    except ProtocolError as error:
        raise HostError(host, str(error)) from error
