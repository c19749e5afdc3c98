"""`hactl drain`: take a host out of service without a lost request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Annotated, Any

import typer

from provision.commands.options import (
    Host,
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError, HostError, UsageError
from provision.core.events import Console, Events
from provision.core.terminal import print_json
from provision.deploy.drain import (
    DrainRequest,
    Remaining,
    describe,
    directors_of,
    drain_on_all,
    refusal,
    remaining,
)
from provision.deploy.operator import operator_id
from provision.deploy.project import Project
from provision.hosts.agent.look import look_at
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.sessions import Sessions

POLL_INTERVAL = 1.0
"""Seconds between two checks of the remaining work."""


def drain(project: Project, host: str, *, wait: float, json: bool, lab: bool) -> Exit:
    """Send a host no new work, and wait at most `wait` seconds until it has none.

    Returns 0, or 1 where work remains after the wait; the host stays drained in both cases.

    Raises:
        HactlError: the host is the last of its kind, or cannot be drained; nothing was changed.
        HostError: a director did not answer or carry it out; the drain was rolled back.
    """
    console = Console()
    with Drain(project, host, lab, console) as job:
        job.check()
        job.request("drain")
        try:
            snapshot = job.check()  # another operator may have drained the other host meanwhile
        except HactlError:
            job.request("undrain")
            raise
        remaining, seconds = job.wait(wait, snapshot)
    console.done()
    if json:
        print_json(document(host, job.kind, True, remaining, seconds) | job.coverage.json())
    elif remaining:
        print(f"{host}: drained, and after {seconds:.0f} s there is left: {describe(remaining)}")
    else:
        undo = f"`hactl undrain {host}` returns it to service"
        print(f"{host}: drained, nothing is left after {seconds:.1f} s; {undo}")
    return Exit.FAILED if remaining else Exit.OK


def document(
    host: str, kind: str, drained: bool, remaining: Sequence[Remaining] = (), seconds: float = 0.0
) -> dict[str, Any]:
    """The document of `drain --json` and `undrain --json`."""
    left = [
        {"director": item.director, "what": item.description, "connections": item.connections}
        for item in remaining
    ]
    return {
        "ok": not remaining,
        "host": host,
        "kind": kind,
        "drained": drained,
        "seconds": round(seconds, 1),
        "left": left,
    }


class Drain:
    """The drain of one host: the directors that take part, and their logins. A context manager."""

    def __init__(self, project: Project, host: str, lab: bool, events: Events) -> None:
        self.topology = project.topology
        self.host = host
        self.directors = directors_of(self.topology, host)
        if not self.directors:
            known = (*self.topology.directors(), *self.topology.real_servers())
            raise UsageError(
                f"{host} is neither a director nor a real server",
                f"known hosts: {', '.join(known)}",
            )
        self.kind = "director" if self.topology.directed_by(host) else "server"
        self.events = events
        self._operator = operator_id()
        self._digest = project.digest()
        self._sessions = Sessions(project.targets(self.directors, lab))
        self.coverage = Coverage(self.directors)

    def __enter__(self) -> Drain:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.close()

    def look(self) -> Snapshot:
        """The present state of the directors that answer.

        Raises:
            HostError: a needed director does not answer. The drain of a director needs only itself,
                the drain of a real server needs all directors.
        """
        results = look_at(self._sessions)
        errors = {name: error for name, error in results.items() if isinstance(error, HostError)}
        reasons = {name: error.line() for name, error in errors.items()}
        self.coverage = Coverage(self.directors, reasons)
        for name, error in errors.items():
            if self.kind == "server" or name == self.host:
                raise error
        lives = {name: live for name, live in results.items() if not isinstance(live, HostError)}
        return Snapshot(self.topology, lives)

    def check(self) -> Snapshot:
        """The present state of the directors.

        Raises:
            HactlError: the host must not be drained.
            HostError: as `look`.
        """
        snapshot = self.look()
        if problem := refusal(snapshot, self.host):
            raise problem
        return snapshot

    def request(self, verb: str) -> None:
        """Send `drain` or `undrain` to the directors; roll back a drain that a director refuses.

        Raises:
            HostError: a director did not carry it out.
        """
        directors = self.directors if self.kind == "server" else (self.host,)
        request = DrainRequest(verb, self.kind, self.host, self._operator, self._digest)
        drain_on_all(self._sessions.of, directors, request, self.events)

    def wait(self, limit: float, first: Snapshot) -> tuple[tuple[Remaining, ...], float]:
        """The work that remains after the wait, and the seconds; `first` is the first snapshot."""
        snapshots = chain((lambda: first,), repeat(self.look))
        return await_end(
            lambda: remaining(next(snapshots)(), self.host), limit, self.events, self.host
        )


def await_end(
    remaining: Callable[[], tuple[Remaining, ...]], limit: float, events: Events, host: str
) -> tuple[tuple[Remaining, ...], float]:
    """Wait until no work remains or `limit` seconds have passed; report every change.

    Raises:
        KeyboardInterrupt: after a note that the host stays drained.
    """
    began, reported = time.monotonic(), ""
    try:
        while True:
            work = remaining()
            passed = time.monotonic() - began
            if not work or passed >= limit:
                return work, passed
            if describe(work) != reported:
                reported = describe(work)
                events.host(host, f"waiting: {reported}")
            time.sleep(min(POLL_INTERVAL, max(0.0, limit - passed)))
    except KeyboardInterrupt:
        events.note(f"{host} stays drained; `hactl undrain {host}` returns it to service")
        raise


def command(
    host: Host,
    inventory: InventoryPath = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for open connections.")
    ] = 300,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Take a host out of service without a lost request.

    A real server gets no new connections; a director hands its VIPs over. Wait
    until nothing is left on the host. `hactl undrain` returns it to service.
    Exit 1 when something is left after the wait."""
    raise typer.Exit(drain(load(inventory), host, wait=wait, json=json, lab=lab))
