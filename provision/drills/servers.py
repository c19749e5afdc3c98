"""The base of the drills of real servers: the victim, its unit, and its removal from the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from provision.desired import timing
from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.table import receives_connections

MARGIN = 2.0
"""Seconds beyond a check's bound: Keepalived's timers and the watchers' period may be slow."""


class ServerDrill(Drill):
    """A drill that breaks the first real server of the front end."""

    of_directors: ClassVar[bool] = False

    def victim(self, context: DrillContext) -> str:
        """The real server that is broken."""
        return context.frontend.real_servers[0]

    def skip(self, context: DrillContext) -> str:
        """Most drills need a second real server that still serves."""
        if len(context.frontend.real_servers) < 2:
            return "the front end has fewer than two real servers: none would be left to serve"
        return ""

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:  # noqa: ARG002
        """The addresses stay on their holder."""
        moved = [
            span
            for span in outcome.spans
            if span.kind == "holder" and span.start > outcome.injected
        ]
        moves = ", ".join(f"{span.value} to {span.subject}" for span in moved)
        yield expect(not moved, f"the addresses moved: {moves}")


def unit_of(context: DrillContext, host: str) -> str:
    """The systemd unit that listens for the front end's services on a real server.

    Empty where no single unit is known.
    """
    ports = {
        service.port(server)
        for service in context.frontend.services
        for server in service.real_servers
        if server.host == host
    }
    units = {
        listener.unit
        for listener in context.live_hosts[host].listeners
        if listener.port in ports and listener.unit
    }
    return units.pop() if len(units) == 1 else ""


def no_unit(host: str) -> str:
    """The reason for a skip: a service that cannot be stopped."""
    return (
        f"no single systemd unit of {host} listens on the services' ports: "
        "there is nothing to stop and start again"
    )


def no_check(host: str) -> str:
    """The reason for a skip: a stopped service that no check would notice."""
    return f"no check of {host} would notice that its service has stopped"


def removal_bound(context: DrillContext, host: str) -> float | None:
    """Seconds until every check of a real server must have noticed a failure.

    None where a check would never notice.
    """
    times = [
        timing.removal(service, server)
        for service in context.frontend.services
        for server in service.real_servers
        if server.host == host
    ]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def out_everywhere(context: DrillContext, host: str) -> bool:
    """Whether no director sends new connections to a real server."""
    return not any(
        receives_connections(context.watch.latest(director).table, context.frontend, host)
        for director in context.directors
    )


def out_within(host: str, outcome: DrillOutcome, bound: float) -> Iterator[DrillVerdict]:
    """Whether every director took a real server out of its table in time.

    A remark says how long the slowest director took.
    """
    removed_after = {
        span.by: span.start - outcome.injected
        for span in reversed(outcome.spans)
        if (span.kind, span.subject) == ("health", host)
        and span.value in ("", "0")
        and span.start > outcome.injected
    }
    if not removed_after:
        yield DrillVerdict(False, f"{host} stayed in the table")
        return
    slowest = max(removed_after, key=lambda director: removed_after[director])
    after = removed_after[slowest]
    yield DrillVerdict(
        True,
        f"{host} was out of every table after {after:.1f} s; its check's bound is {bound:.1f} s",
    )
    yield expect(
        after <= bound,
        f"{slowest} removed {host} after {after:.1f} s, "
        f"later than its check's bound of {bound:.1f} s",
    )
