"""Planned hand-over: the backup's priority is raised, so that it takes the addresses before the master lets go."""

from __future__ import annotations

import time
from collections.abc import Iterator

from provision.desired import timing
from provision.desired.keepalived_variables import HANDOVER
from provision.drills.assertions import lossless
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.takeover import Takeover
from provision.hosts.live.snapshot import Snapshot
from provision.inventory.frontends import ResolvedFrontend

HIGHEST = 254
"""The highest priority of a router that does not own the address (RFC 5798 §5.2.4)."""


HASHING = ("mh", "sh")
"""Schedulers by which every director sends a client to the same real server."""


def priority_boost(stage: DrillContext) -> int:
    """What the successor's priority must be raised by to be above all others; 0 where there is no room."""
    found = [
        (live.host, own.priority)
        for live, _, own in Snapshot(stage.topology, stage.lives).instances(stage.frontend)
        if own
    ]
    mine = max((priority for host, priority in found if host == stage.successor), default=0)
    best = max((priority for host, priority in found if host != stage.successor), default=HIGHEST)
    return min(best + 10, HIGHEST) - mine if best < HIGHEST else 0


def handover_caveat(frontend: ResolvedFrontend) -> str:
    """Why a request may have failed whatever the directors do, empty where their schedulers agree on a real server.

    The sync daemon tells of a TCP connection once it is established (ip_vs_sync_conn); a packet of another that has no
    entry is answered with a reset, or with `mh` and `sh` scheduled to the same server.
    """
    other = dict.fromkeys(
        each.model.scheduler for each in frontend.services if each.model.scheduler not in HASHING
    )
    if not other:
        return ""
    named = " or ".join(f"`{name}`" for name in other)
    return f"with {named} a handshake that straddles a hand-over is reset; with `mh` and `mh-port` none is"


class HandOver(Takeover):
    """No request may be lost: maintenance of a director is done so."""

    name = "hand-over"
    seconds = 10.5

    def skip(self, stage: DrillContext) -> str:
        """It works by preemption, and needs room above the master's priority."""
        if stage.successor and stage.frontend.vrrp.nopreempt:
            return "`nopreempt`: a higher priority takes nothing over"
        if stage.successor and not priority_boost(stage):
            return f"the master's priority leaves no room below {HIGHEST + 1} to raise a backup's above it"
        return super().skip(stage)

    def bound(self, stage: DrillContext) -> float | None:  # noqa: ARG002
        """What the slowest request may take."""
        return timing.MAX_REQUEST_TIME

    def patience(self, stage: DrillContext) -> float:
        """The successor waits its Master_Down_Interval, and `preempt_delay` where there is one."""
        return (
            timing.crash(stage.frontend, stage.successor)
            + (stage.frontend.vrrp.preempt_delay or 0)
            + 5
        )

    def inject(self, stage: DrillContext) -> float:
        """Raise the successor's priority."""
        path = f"{HANDOVER}/{stage.frontend.name}"
        return stage.break_host(stage.successor, "file-write", path, str(priority_boost(stage)))

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """Nothing lost, nothing slow."""
        yield from lossless(outcome)
        yield DrillVerdict(True, handover_caveat(stage.frontend) if outcome.failed else "")
        yield from super().judge(stage, outcome)


class Failback(HandOver):
    """The same on the way back."""

    name = "failback"

    def prepare(self, stage: DrillContext) -> None:
        """Hand over first."""
        super().inject(stage)

    def prepared(self, stage: DrillContext) -> bool:
        """Whether the hand-over is through."""
        return super().settled(stage)

    def inject(self, stage: DrillContext) -> float:
        """Take the raised priority away again."""
        moment = time.monotonic()
        stage.heal()
        return moment

    def settled(self, stage: DrillContext) -> bool:
        """Whether the first holder has the addresses again, alone."""
        return stage.held_by(stage.holder)

    def now_at(self, stage: DrillContext, outcome: DrillOutcome) -> str:  # noqa: ARG002
        """The first holder."""
        return stage.holder

    def unsettled(self, stage: DrillContext) -> str:
        """Who holds what instead."""
        return f"{stage.holder} alone should have taken the addresses back; {stage.held()}"
