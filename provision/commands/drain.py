"""`hactl drain`: one host out of service without a lost request."""

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
"""Seconds between two looks at what is left."""


def drain(project: Project, host: str, *, wait: float, json: bool, lab: bool) -> Exit:
    """Give a host nothing new to do, and wait until it does nothing any more, for `wait` seconds at most.

    Returns 0, or 1 where something was left after that; the host stays drained all the same.

    Raises:
        HactlError: it is the last one, or cannot be drained; nothing was changed.
        HostError: a director cannot be asked or told; what was done was taken back.
    """
    console = Console()
    with Drain(project, host, lab, console) as work:
        work.check()
        work.tell("drain")
        try:
            seen = work.check()  # somebody else may have drained the other one meanwhile
        except HactlError:
            work.tell("undrain")
            raise
        left, seconds = work.wait(wait, seen)
    console.done()
    if json:
        print_json(document(host, work.kind, True, left, seconds) | work.coverage.json())
    elif left:
        print(f"{host}: drained, and after {seconds:.0f} s there is left: {describe(left)}")
    else:
        print(
            f"{host}: drained, nothing is left after {seconds:.1f} s; `hactl undrain {host}` gives it back"
        )
    return Exit.FAILED if left else Exit.OK


def document(
    host: str, kind: str, drained: bool, left: Sequence[Remaining] = (), seconds: float = 0.0
) -> dict[str, Any]:
    rest = [
        {"director": one.director, "what": one.description, "connections": one.connections}
        for one in left
    ]
    ok = not left
    return {
        "ok": ok,
        "host": host,
        "kind": kind,
        "drained": drained,
        "seconds": round(seconds, 1),
        "left": rest,
    }


class Drain:
    """One host's drain: the directors that have to do with it, and their logins. A context manager."""

    def __init__(self, project: Project, host: str, lab: bool, events: Events) -> None:
        self.topology = project.topology
        self.host = host
        self.directors = directors_of(self.topology, host)
        if not self.directors:
            known = (*self.topology.directors(), *self.topology.real_servers())
            raise UsageError(
                f"{host} is neither a director nor a real server", f"there are {', '.join(known)}"
            )
        self.kind = "director" if self.topology.directed_by(host) else "server"
        self.events = events
        self._who = operator_id()
        self._digest = project.digest()
        self._sessions = Sessions(project.targets(self.directors, lab))
        self.coverage = Coverage(self.directors)

    def __enter__(self) -> Drain:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.close()

    def look(self) -> Snapshot:
        """The directors as they are now; of a director's drain only itself has to answer.

        Raises:
            HostError: one that is needed does not.
        """
        found = look_at(self._sessions)
        failed = {name: one.line() for name, one in found.items() if isinstance(one, HostError)}
        self.coverage = Coverage(self.directors, failed)
        for name, one in found.items():
            if isinstance(one, HostError) and (self.kind == "server" or name == self.host):
                raise one
        return Snapshot(
            self.topology,
            {name: one for name, one in found.items() if not isinstance(one, HostError)},
        )

    def check(self) -> Snapshot:
        """The directors as they are now. Raises HactlError where the host must not be drained."""
        seen = self.look()
        if problem := refusal(seen, self.host):
            raise problem
        return seen

    def tell(self, verb: str) -> None:
        """Tell the directors concerned; a drain that one of them refuses is taken back on the others.

        Raises:
            HostError: one could not be told.
        """
        directors = self.directors if self.kind == "server" else (self.host,)
        order = DrainRequest(verb, self.kind, self.host, self._who, self._digest)
        drain_on_all(self._sessions.of, directors, order, self.events)

    def wait(self, limit: float, seen: Snapshot) -> tuple[tuple[Remaining, ...], float]:
        """What is left in the end, and after how many seconds; `seen` is the first look."""
        looks = chain((lambda: seen,), repeat(self.look))
        return await_end(lambda: remaining(next(looks)(), self.host), limit, self.events, self.host)


def await_end(
    left: Callable[[], tuple[Remaining, ...]], limit: float, events: Events, host: str
) -> tuple[tuple[Remaining, ...], float]:
    """Look until nothing is left or `limit` seconds have passed; says each time it is another.

    Raises:
        KeyboardInterrupt: after a word that the host stays drained.
    """
    began, said = time.monotonic(), ""
    try:
        while True:
            rest = left()
            passed = time.monotonic() - began
            if not rest or passed >= limit:
                return rest, passed
            if describe(rest) != said:
                said = describe(rest)
                events.host(host, f"waiting: {said}")
            time.sleep(min(POLL_INTERVAL, max(0.0, limit - passed)))
    except KeyboardInterrupt:
        events.note(f"{host} stays drained; `hactl undrain {host}` gives it back")
        raise


def command(
    host: Host,
    inventory: InventoryPath = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for what is left.")
    ] = 300,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Take a host out of service without a lost request, until `undrain`.

    A real server gets no new connections, a director hands its addresses over. Exit 1 when something is left."""
    raise typer.Exit(drain(load(inventory), host, wait=wait, json=json, lab=lab))
