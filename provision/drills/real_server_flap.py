"""A real server's service comes and goes: whatever the tables did meanwhile, they must be right in the end."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.timing import max_return_time
from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.real_server_stop import RealServerStop
from provision.drills.servers import ServerDrill

TIMES, PERIOD = 4, 0.6
"""How often it is stopped, and the seconds it is stopped and started each time."""


class RealServerFlap(RealServerStop):
    """No failure may outlast the flapping by more than the checks need."""

    name = "real-server-flap"

    def bound(self, stage: DrillContext) -> float | None:
        """The flapping itself, and what a check that saw its end as a failure needs."""
        return (super().bound(stage) or 0) + 2 * TIMES * (PERIOD + 0.5)

    def patience(self, stage: DrillContext) -> float:
        """And what its start and the checks of one that is back may take."""
        return super().patience(stage) + max_return_time(stage.frontend)

    def inject(self, stage: DrillContext) -> float:
        """Stop and start it several times."""
        host = self.victim(stage)
        fault = stage.arm(host, "unit-flap", self._unit(stage), str(TIMES), f"{PERIOD:g}")
        moment = fault.inject()
        fault.finish()
        stage.mark("flapped")
        return moment

    def _unit(self, stage: DrillContext) -> str:
        from provision.drills.servers import unit_of

        return unit_of(stage, self.victim(stage))

    def settled(self, stage: DrillContext) -> bool:
        """Whether every table is whole."""
        return stage.tables_intended()

    def unsettled(self, stage: DrillContext) -> str:
        """A live real server was forgotten."""
        return f"{self.victim(stage)} works again and is not back in every table after {self.patience(stage):.1f} s"

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """Nothing fails any more at the end."""
        yield from ServerDrill.judge(self, stage, outcome)
        last = max(
            (request.start for request in outcome.requests if request.error),
            default=outcome.injected,
        )
        bound = self.bound(stage) or 0
        late = f"requests still failed {last - outcome.injected:.1f} s after the flapping began"
        yield expect(last - outcome.injected <= bound, late)
