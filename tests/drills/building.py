"""A drill context without hosts: healthy hosts, and recorded states in place of watchers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from provision.drills.context import DrillContext, successor
from provision.drills.director_state import DirectorState
from provision.drills.drill import DrillOutcome
from provision.drills.result import Span
from provision.drills.table import intended_table
from provision.drills.watch import Watch
from provision.hosts.live.snapshot import Snapshot
from provision.inventory.topology import Topology
from provision.prober.measure import Baseline, ConnectionStats
from provision.prober.record import Recording, Request
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
FLOOR = Baseline(240, 0, 1.0, 2.0, 4.0)
NO_SESSIONS = cast(Any, None)


def new_context(drill: str = "drill", site: Topology | None = None) -> DrillContext:
    """A drill on the first front end, whose master holds all addresses."""
    site = site or topology([frontend()])
    first = site.frontends[0]
    context = DrillContext(
        drill,
        site,
        first,
        NO_SESSIONS,
        Watch(NO_SESSIONS, site.directors()),
        healthy(site),
        "",
        first.master,
        "",
        {},
        cast(Any, None),
    )
    context.successor = successor(Snapshot(site, context.live_hosts), first, first.master)
    context.before = dict.fromkeys(context.vips, (first.master,))
    observe(context, dict.fromkeys(context.directors[1:], ()))
    observe(context, {first.master: context.vips})
    return context


def observe(context: DrillContext, held: Mapping[str, Iterable[str]], at: float = 0.0) -> None:
    """Let the watchers observe the addresses that directors hold; the tables are as intended."""
    table = intended_table([context.frontend])
    context.watch._states += [
        DirectorState(host, at, frozenset(vips), table) for host, vips in held.items()
    ]


def outcome(context: DrillContext, **changes: Any) -> DrillOutcome:
    """The record of a drill that passed: the successor took over, and no request was slow."""
    requests = tuple(Request(0, number * 0.005, 0.001, 0.002) for number in range(2100))
    fields: dict[str, Any] = {
        "injected": 0.0,
        "undone": 10.5,
        "settled_after": 0.7,
        "recording": Recording((), requests),
        "requests": requests,
        "returning": (),
        "floor": FLOOR,
        "cadence": 0.005,
        "outage_ms": 0.0,
        "affected_ms": 0.0,
        "failed": 0,
        "slowest_ms": 2.0,
        "survivors": ConnectionStats(200, 200),
        "returned": ConnectionStats(200, 200),
        "return_outage_ms": 0.0,
        "holders": dict.fromkeys(context.vips, (context.successor,)),
        "tables": {host: intended_table([context.frontend]) for host in context.directors},
        "spans": (Span("holder", context.successor, VIP, 0.7, 10.5),),
    }
    return DrillOutcome(**{**fields, **changes})
