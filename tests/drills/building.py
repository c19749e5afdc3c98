"""A stage without hosts: healthy ones as a look would find them, and sights in place of watchers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def stage(drill: str = "drill", found: Topology | None = None, **lives: Any) -> DrillContext:
    """A stage on the first front end, its master holding everything."""
    found = found or topology([frontend()])
    one = found.frontends[0]
    watch = Watch(None, found.directors())  # type: ignore[arg-type]
    made = DrillContext(
        drill, found, one, None, watch, {**healthy(found), **lives}, "", one.master, "", {}, lambda: None,  # type: ignore
    )  # fmt: skip
    made.successor = successor(Snapshot(found, made.lives), one, one.master)
    made.before = dict.fromkeys(made.vips, (one.master,))
    see(made, **dict.fromkeys(made.directors[1:], ()), **{one.master: made.vips})
    return made


def see(made: DrillContext, at: float = 0.0, **held: Iterable[str]) -> None:
    """The watchers see who holds what, the tables being whole."""
    table = intended_table([made.frontend])
    made.watch._sights += [
        DirectorState(host, at, frozenset(vips), table) for host, vips in held.items()
    ]


def outcome(made: DrillContext, **changes: Any) -> DrillOutcome:
    """What was recorded of a drill that went well: the successor took over, no request was even slow."""
    requests = tuple(Request(0, number * 0.005, 0.001, 0.002) for number in range(2100))
    plain: dict[str, Any] = {
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
        "holders": dict.fromkeys(made.vips, (made.successor,)),
        "tables": {host: intended_table([made.frontend]) for host in made.directors},
        "spans": (Span("holder", made.successor, VIP, 0.7, 10.5),),
    }
    return DrillOutcome(**{**plain, **changes})
