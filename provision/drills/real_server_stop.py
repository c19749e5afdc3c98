"""A real server's service stops: the checks must notice and take it out of the tables."""

from __future__ import annotations

from collections.abc import Iterator

from provision.drills.assertions import within_bound
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.servers import (
    MARGIN,
    ServerDrill,
    no_check,
    no_unit,
    out_everywhere,
    out_within,
    removal_bound,
    unit_of,
)


class RealServerStop(ServerDrill):
    """The host stays up and refuses connections."""

    name = "real-server-stop"

    def skip(self, context: DrillContext) -> str:
        """The drill needs a unit to stop and a check that notices."""
        host = self.victim(context)
        if reason := super().skip(context):
            return reason
        if not unit_of(context, host):
            return no_unit(host)
        return "" if removal_bound(context, host) else no_check(host)

    def bound(self, context: DrillContext) -> float | None:
        """The bound of the real server's checks."""
        return removal_bound(context, self.victim(context))

    def settle_timeout(self, context: DrillContext) -> float:
        """The bound of the checks, and a margin."""
        return (self.bound(context) or 0) + MARGIN

    def inject(self, context: DrillContext) -> float:
        """Stop the unit."""
        host = self.victim(context)
        return context.break_host(host, "unit-stop", unit_of(context, host))

    def settled(self, context: DrillContext) -> bool:
        """Whether the real server is out of every table."""
        return out_everywhere(context, self.victim(context))

    def unsettled(self, context: DrillContext) -> str:
        """Directors still send clients to the stopped real server."""
        return (
            f"{self.victim(context)} is stopped, but still in a table after "
            f"{self.settle_timeout(context):.1f} s"
        )

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The real server was out of the tables in time, and no request failed after that."""
        yield from super().judge(context, outcome)
        bound = self.bound(context) or 0
        yield from out_within(self.victim(context), outcome, bound)
        yield within_bound("the time with failing requests", outcome.affected_ms, bound, outcome)
