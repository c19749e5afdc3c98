"""A real server's service stops and starts several times: the tables must be right in the end."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.timing import max_return_time
from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.real_server_stop import RealServerStop
from provision.drills.servers import ServerDrill, unit_of

STOPS, PERIOD = 4, 0.6
"""How often the service stops, and the seconds for which it stays stopped and then started."""


class RealServerFlap(RealServerStop):
    """Requests may fail after the flapping only for as long as the checks need."""

    name = "real-server-flap"

    def bound(self, context: DrillContext) -> float | None:
        """The flapping, and the check's bound: a check may take the last stop for a failure."""
        return (super().bound(context) or 0) + 2 * STOPS * (PERIOD + 0.5)

    def settle_timeout(self, context: DrillContext) -> float:
        """The bound, a margin, and the time until the checks succeed again."""
        return super().settle_timeout(context) + max_return_time(context.frontend)

    def inject(self, context: DrillContext) -> float:
        """Stop and start the service several times."""
        host = self.victim(context)
        unit = unit_of(context, host)
        fault = context.arm(host, "unit-flap", unit, str(STOPS), f"{PERIOD:g}")
        moment = fault.inject()
        fault.finish()
        context.mark("flapped")
        return moment

    def settled(self, context: DrillContext) -> bool:
        """Whether every table is as intended."""
        return context.tables_intended()

    def unsettled(self, context: DrillContext) -> str:
        """The real server is not back in every table."""
        return (
            f"{self.victim(context)} works again, but is not back in every table after "
            f"{self.settle_timeout(context):.1f} s"
        )

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """No request failed after the bound."""
        yield from ServerDrill.judge(self, context, outcome)
        last = max(
            (request.start for request in outcome.requests if request.error),
            default=outcome.injected,
        )
        bound = self.bound(context) or 0
        late = f"requests still failed {last - outcome.injected:.1f} s after the flapping began"
        yield expect(last - outcome.injected <= bound, late)
