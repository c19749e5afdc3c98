"""Every real server's service stops: the sorry server answers, or clients are refused at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.servers import (
    MARGIN,
    ServerDrill,
    no_unit,
    out_everywhere,
    removal_bound,
    unit_of,
)
from provision.inventory.kafka import kafka_checks
from provision.prober.record import Request

REFUSAL_THRESHOLD = 0.2
"""Seconds within which a client must be told no: hanging is worse."""


class AllRealServersDown(ServerDrill):
    """The addresses stay with their one holder, and everything returns."""

    name = "all-real-servers-down"

    def __init__(self) -> None:
        self._settled_at: float | None = None

    def skip(self, stage: DrillContext) -> str:
        """Each must be stoppable, and each noticed."""
        servers = stage.frontend.real_servers
        if not servers:
            return "the front end has no real servers"
        if kafka_checks([stage.frontend]):
            return "its real servers are one Kafka cluster, whose last broker waits for the others before it stops"
        if lacking := next((host for host in servers if not unit_of(stage, host)), ""):
            return no_unit(lacking)
        blind = next((host for host in servers if not removal_bound(stage, host)), "")
        return f"no check of {blind} would notice that its service has stopped" if blind else ""

    def patience(self, stage: DrillContext) -> float:
        """The slowest check's bound, and a margin."""
        return max(removal_bound(stage, host) or 0 for host in stage.frontend.real_servers) + MARGIN

    def inject(self, stage: DrillContext) -> float:
        """Stop all of them at once."""
        faults = [
            stage.arm(host, "unit-stop", unit_of(stage, host))
            for host in stage.frontend.real_servers
        ]
        moment = time.monotonic()
        with ThreadPoolExecutor(len(faults), thread_name_prefix="inject") as pool:
            list(pool.map(lambda fault: fault.inject(), faults))
        return moment

    def settled(self, stage: DrillContext) -> bool:
        """Whether none is left in any table, for a second at least."""
        if not all(out_everywhere(stage, host) for host in stage.frontend.real_servers):
            return False
        self._settled_at = self._settled_at or time.monotonic()
        return time.monotonic() - self._settled_at > 1

    def unsettled(self, stage: DrillContext) -> str:
        """A dead real server in the table."""
        return f"real servers that are all stopped are still in a table after {self.patience(stage):.1f} s"

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """What clients were told once the tables were empty."""
        yield from super().judge(stage, outcome)
        assert stage.prober is not None and self._settled_at is not None
        since = stage.prober.to_client(self._settled_at)
        told = [
            request
            for request in outcome.requests
            if request.start > since and request.done is not None
        ]
        if any(service.model.sorry_server for service in stage.frontend.services):
            well = [request for request in told if not request.error]
            yield expect(bool(well), "nobody answers though there is a sorry server")
            yield DrillVerdict(
                bool(well),
                f"the sorry server answered {len(well)} of {len(told)} requests" if well else "",
            )
            return
        yield _refused(told)


def _refused(told: list[Request]) -> DrillVerdict:
    """A client must be told no at once. The kernel's no is an ICMP error, of which one host gets one a second
    (ip-sysctl, icmp_ratelimit): of the prober's many requests most hang, of an ordinary client's few none does.
    """
    quick = [
        request
        for request in told
        if request.error in ("refused", "unreachable", "reset")
        and (request.done or 0) <= REFUSAL_THRESHOLD
    ]
    if not quick:
        return DrillVerdict(
            False,
            f"with no real server left, none of {len(told)} requests was refused: clients hang",
        )
    share = f"{len(quick)} of {len(told)} requests were refused within {REFUSAL_THRESHOLD * 1000:.0f} ms"
    rest = (
        ""
        if len(quick) == len(told)
        else "; the others hung, as icmp_ratelimit lets one refusal a second through"
    )
    return DrillVerdict(True, f"with no real server left, {share}{rest}")
