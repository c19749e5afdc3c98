"""What drills of the real servers have in common: which one, which unit, and when the tables have followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from provision.desired import timing
from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.table import receives_connections

MARGIN = 2.0
"""Seconds on top of a check's formula: Keepalived's timers and the watchers' period on a slow director."""


class ServerDrill(Drill):
    """Something happens to the first real server of the front end."""

    of_directors: ClassVar[bool] = False

    def victim(self, stage: DrillContext) -> str:
        """The real server it happens to."""
        return stage.frontend.real_servers[0]

    def skip(self, stage: DrillContext) -> str:
        """It takes a real server, and for most drills another that goes on."""
        if len(stage.frontend.real_servers) < 2:
            return "the front end has fewer than two real servers: nobody would go on serving"
        return ""

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:  # noqa: ARG002
        """The addresses have nothing to do with it: they stay where they are."""
        moved = [
            span
            for span in outcome.spans
            if span.kind == "holder" and span.start > outcome.injected
        ]
        yield expect(
            not moved,
            f"the addresses moved: {', '.join(f'{span.value} to {span.subject}' for span in moved)}",
        )


def unit_of(stage: DrillContext, host: str) -> str:
    """The systemd unit that listens for the front end's services on a real server; empty where none is known."""
    ports = {
        service.port(server)
        for service in stage.frontend.services
        for server in service.real_servers
        if server.host == host
    }
    units = {
        listener.unit
        for listener in stage.lives[host].listeners
        if listener.port in ports and listener.unit
    }
    return units.pop() if len(units) == 1 else ""


def no_unit(host: str) -> str:
    """Why a service cannot be stopped."""
    return f"no single systemd unit of {host} listens on the services' ports: nothing to stop and start again"


def removal_bound(stage: DrillContext, host: str) -> float | None:
    """Seconds until every check of a real server must have seen that it has died; None where one would never."""
    times = [
        timing.removal(service, server)
        for service in stage.frontend.services
        for server in service.real_servers
        if server.host == host
    ]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def out_everywhere(stage: DrillContext, host: str) -> bool:
    """Whether no director gives a real server new connections."""
    return not any(
        receives_connections(stage.watch.now(director).table, stage.frontend, host)
        for director in stage.directors
    )


def out_within(host: str, outcome: DrillOutcome, bound: float) -> Iterator[DrillVerdict]:
    """Whether every director took a real server out in time; says how long the slowest took."""
    first = {
        span.by: span.start - outcome.injected
        for span in reversed(outcome.spans)
        if (span.kind, span.subject) == ("health", host)
        and span.value in ("", "0")
        and span.start > outcome.injected
    }
    if not first:
        yield DrillVerdict(False, f"{host} stayed in the table")
        return
    slowest = max(first, key=lambda director: first[director])
    after = first[slowest]
    yield DrillVerdict(
        True,
        f"{host} was out of every table after {after:.1f} s; its check's bound is {bound:.1f} s",
    )
    late = f"{slowest} took {host} out after {after:.1f} s, later than its check's bound of {bound:.1f} s"
    yield expect(after <= bound, late)
