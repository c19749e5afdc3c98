"""All real servers stop: the sorry server answers, or clients are refused at once."""

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
    no_check,
    no_unit,
    out_everywhere,
    removal_bound,
    unit_of,
)
from provision.inventory.kafka import kafka_checks
from provision.prober.record import Request

REFUSAL_THRESHOLD = 0.2
"""Seconds within which a client must be refused: a connection that hangs is worse."""


class AllRealServersDown(ServerDrill):
    """The addresses stay on their holder, and everything comes back."""

    name = "all-real-servers-down"

    def __init__(self) -> None:
        self._settled_at: float | None = None

    def skip(self, context: DrillContext) -> str:
        """Each real server's service must have a unit to stop and a check that notices."""
        servers = context.frontend.real_servers
        if not servers:
            return "the front end has no real servers"
        if kafka_checks([context.frontend]):
            return (
                "its real servers are one Kafka cluster: "
                "the last broker waits for the others before it stops"
            )
        if host := next((host for host in servers if not unit_of(context, host)), ""):
            return no_unit(host)
        unchecked = next((host for host in servers if not removal_bound(context, host)), "")
        return no_check(unchecked) if unchecked else ""

    def settle_timeout(self, context: DrillContext) -> float:
        """The slowest check's bound, and a margin."""
        bounds = [removal_bound(context, host) or 0 for host in context.frontend.real_servers]
        return max(bounds) + MARGIN

    def inject(self, context: DrillContext) -> float:
        """Stop all services at once."""
        faults = [
            context.arm(host, "unit-stop", unit_of(context, host))
            for host in context.frontend.real_servers
        ]
        moment = time.monotonic()
        with ThreadPoolExecutor(len(faults), thread_name_prefix="inject") as pool:
            list(pool.map(lambda fault: fault.inject(), faults))
        return moment

    def settled(self, context: DrillContext) -> bool:
        """Whether all tables have been empty for a second."""
        if not all(out_everywhere(context, host) for host in context.frontend.real_servers):
            return False
        self._settled_at = self._settled_at or time.monotonic()
        return time.monotonic() - self._settled_at > 1

    def unsettled(self, context: DrillContext) -> str:
        """A stopped real server is still in a table."""
        return (
            "all real servers are stopped, but some are still in a table after "
            f"{self.settle_timeout(context):.1f} s"
        )

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The sorry server answered clients once the tables were empty, or they were refused."""
        yield from super().judge(context, outcome)
        assert context.prober is not None and self._settled_at is not None
        since = context.prober.to_client(self._settled_at)
        ended = [
            request
            for request in outcome.requests
            if request.start > since and request.done is not None
        ]
        if any(service.model.sorry_server for service in context.frontend.services):
            answered = [request for request in ended if not request.error]
            yield expect(bool(answered), "the sorry server does not answer")
            yield DrillVerdict(
                True,
                f"the sorry server answered {len(answered)} of {len(ended)} requests"
                if answered
                else "",
            )
            return
        yield _refused_at_once(ended)


def _refused_at_once(requests: list[Request]) -> DrillVerdict:
    """Whether a client is refused at once.

    The kernel refuses with an ICMP error, of which a host gets one a second (ip-sysctl,
    icmp_ratelimit). Most of the prober's many requests therefore hang. The few requests of an
    ordinary client do not.
    """
    refused = [
        request
        for request in requests
        if request.error in ("refused", "unreachable", "reset")
        and (request.done or 0) <= REFUSAL_THRESHOLD
    ]
    count = len(requests)
    if not refused:
        return DrillVerdict(
            False, f"with no real server left, none of {count} requests was refused: clients hang"
        )
    text = (
        f"with no real server left, {len(refused)} of {count} requests were refused "
        f"within {REFUSAL_THRESHOLD * 1000:.0f} ms"
    )
    if len(refused) < count:
        text += "; the others hung, because icmp_ratelimit allows one refusal a second"
    return DrillVerdict(True, text)
