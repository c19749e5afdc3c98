"""Planned hand-over: the backup's priority is raised, and it takes the addresses over."""

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

MAX_PRIORITY = 254
"""The highest priority of a router that does not own the address (RFC 5798 §5.2.4)."""

HASHING_SCHEDULERS = ("mh", "sh")
"""Schedulers by which every director sends a client to the same real server."""


def priority_boost(context: DrillContext) -> int:
    """The increase that puts the successor's priority above all others; 0 if none is possible."""
    priorities = [
        (live.host, instance.priority)
        for live, _, instance in Snapshot(context.topology, context.live_hosts).instances(
            context.frontend
        )
        if instance
    ]
    current = max((value for host, value in priorities if host == context.successor), default=0)
    highest = max(
        (value for host, value in priorities if host != context.successor), default=MAX_PRIORITY
    )
    return min(highest + 10, MAX_PRIORITY) - current if highest < MAX_PRIORITY else 0


def handover_caveat(frontend: ResolvedFrontend) -> str:
    """Why a request may fail although the directors are correct; empty with hashing schedulers.

    The sync daemon reports a TCP connection only once it is established (ip_vs_sync_conn). The new
    director answers a packet of an unknown connection with a reset. With `mh` and `sh` it schedules
    the packet to the same real server instead.
    """
    schedulers = dict.fromkeys(
        service.model.scheduler
        for service in frontend.services
        if service.model.scheduler not in HASHING_SCHEDULERS
    )
    if not schedulers:
        return ""
    names = " or ".join(f"`{name}`" for name in schedulers)
    return (
        f"with {names}, a handshake in progress during a hand-over is reset; "
        "with `mh` and `mh-port` it is not"
    )


class HandOver(Takeover):
    """No request may be lost: this is how a director is taken out for maintenance."""

    name = "hand-over"
    seconds = 10.5

    def skip(self, context: DrillContext) -> str:
        """A hand-over works by preemption, and needs room above the master's priority."""
        if context.successor and context.frontend.vrrp.nopreempt:
            return "`nopreempt`: a higher priority does not take over"
        if context.successor and not priority_boost(context):
            return (
                "no backup can be raised above the master: "
                f"its priority leaves no room below {MAX_PRIORITY + 1}"
            )
        return super().skip(context)

    def bound(self, context: DrillContext) -> float | None:  # noqa: ARG002
        """Seconds that the slowest request may take."""
        return timing.MAX_REQUEST_TIME

    def settle_timeout(self, context: DrillContext) -> float:
        """The successor waits its Master_Down_Interval, and `preempt_delay` if that is set."""
        return (
            timing.crash(context.frontend, context.successor)
            + (context.frontend.vrrp.preempt_delay or 0)
            + 5
        )

    def inject(self, context: DrillContext) -> float:
        """Raise the successor's priority."""
        path = f"{HANDOVER}/{context.frontend.name}"
        return context.break_host(
            context.successor, "file-write", path, str(priority_boost(context))
        )

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """No request was lost or slow."""
        yield from lossless(outcome)
        yield DrillVerdict(True, handover_caveat(context.frontend) if outcome.failed else "")
        yield from super().judge(context, outcome)


class Failback(HandOver):
    """A hand-over back to the first holder."""

    name = "failback"

    def prepare(self, context: DrillContext) -> None:
        """Hand over to the successor."""
        super().inject(context)

    def prepared(self, context: DrillContext) -> bool:
        """Whether the successor has taken over."""
        return super().settled(context)

    def inject(self, context: DrillContext) -> float:
        """Restore the successor's priority."""
        moment = time.monotonic()
        context.undo_faults()
        return moment

    def settled(self, context: DrillContext) -> bool:
        """Whether the first holder alone has the addresses again."""
        return context.held_by(context.holder)

    def expected_holder(self, context: DrillContext, outcome: DrillOutcome) -> str:  # noqa: ARG002
        """The first holder."""
        return context.holder

    def unsettled(self, context: DrillContext) -> str:
        """The actual holders of the addresses."""
        return (
            f"{context.holder} alone should have taken the addresses back; {context.holders_text()}"
        )
