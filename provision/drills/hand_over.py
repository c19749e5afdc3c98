"""Planned hand-over: the backup's priority is raised, so that it takes the addresses before the master lets go."""

from __future__ import annotations

import time
from collections.abc import Iterator

from provision.desired import timing
from provision.desired.keepalived_variables import HANDOVER
from provision.drills.assertions import lossless
from provision.drills.context import Stage
from provision.drills.drill import Outcome, Verdict
from provision.drills.takeover import Takeover
from provision.hosts.live.snapshot import Seen
from provision.inventory.frontends import ResolvedFrontend

HIGHEST = 254
"""The highest priority of a router that does not own the address (RFC 5798 §5.2.4)."""


HASHING = ("mh", "sh")
"""Schedulers by which every director sends a client to the same real server."""


def raised_by(stage: Stage) -> int:
    """What the successor's priority must be raised by to be above all others; 0 where there is no room."""
    found = [(live.host, own.priority) for live, _, own in Seen(stage.topology, stage.lives).instances(stage.frontend)
             if own]  # fmt: skip
    mine = max((priority for host, priority in found if host == stage.successor), default=0)
    best = max((priority for host, priority in found if host != stage.successor), default=HIGHEST)
    return min(best + 10, HIGHEST) - mine if best < HIGHEST else 0


def straddling(frontend: ResolvedFrontend) -> str:
    """Why a request may have failed whatever the directors do, empty where their schedulers agree on a real server.

    The sync daemon tells of a TCP connection once it is established (ip_vs_sync_conn); a packet of another that has no
    entry is answered with a reset, or with `mh` and `sh` scheduled to the same server.
    """
    other = dict.fromkeys(each.model.scheduler for each in frontend.services if each.model.scheduler not in HASHING)
    if not other:
        return ""
    named = " or ".join(f"`{name}`" for name in other)
    return f"with {named} a handshake that straddles a hand-over is reset; with `mh` and `mh-port` none is"


class HandOver(Takeover):
    """No request may be lost: maintenance of a director is done so."""

    name = "hand-over"
    seconds = 10.5

    def skip(self, stage: Stage) -> str:
        """It works by preemption, and needs room above the master's priority."""
        if stage.successor and stage.frontend.vrrp.nopreempt:
            return "`nopreempt`: a higher priority takes nothing over"
        if stage.successor and not raised_by(stage):
            return f"the master's priority leaves no room below {HIGHEST + 1} to raise a backup's above it"
        return super().skip(stage)

    def bound(self, stage: Stage) -> float | None:  # noqa: ARG002
        """What the slowest request may take."""
        return timing.NO_REQUEST_SLOWER

    def patience(self, stage: Stage) -> float:
        """The successor waits its Master_Down_Interval, and `preempt_delay` where there is one."""
        return timing.crash(stage.frontend, stage.successor) + (stage.frontend.vrrp.preempt_delay or 0) + 5

    def inject(self, stage: Stage) -> float:
        """Raise the successor's priority."""
        path = f"{HANDOVER}/{stage.frontend.name}"
        return stage.break_host(stage.successor, "file-write", path, str(raised_by(stage)))

    def judge(self, stage: Stage, outcome: Outcome) -> Iterator[Verdict]:
        """Nothing lost, nothing slow."""
        yield from lossless(outcome)
        yield Verdict(True, straddling(stage.frontend) if outcome.failed else "")
        yield from super().judge(stage, outcome)


class Failback(HandOver):
    """The same on the way back."""

    name = "failback"

    def prepare(self, stage: Stage) -> None:
        """Hand over first."""
        super().inject(stage)

    def prepared(self, stage: Stage) -> bool:
        """Whether the hand-over is through."""
        return super().settled(stage)

    def inject(self, stage: Stage) -> float:
        """Take the raised priority away again."""
        moment = time.monotonic()
        stage.heal()
        return moment

    def settled(self, stage: Stage) -> bool:
        """Whether the first holder has the addresses again, alone."""
        return stage.held_by(stage.holder)

    def now_at(self, stage: Stage, outcome: Outcome) -> str:  # noqa: ARG002
        """The first holder."""
        return stage.holder

    def unsettled(self, stage: Stage) -> str:
        """Who holds what instead."""
        return f"{stage.holder} alone should have taken the addresses back; {stage.held()}"
