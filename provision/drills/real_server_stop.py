"""A real server's service stops: the checks must see it, and take it out of the table."""

from __future__ import annotations

from collections.abc import Iterator

from provision.drills.assertions import within_bound
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.servers import (
    MARGIN,
    ServerDrill,
    no_unit,
    out_everywhere,
    out_within,
    removal_bound,
    unit_of,
)


class RealServerStop(ServerDrill):
    """Its host lives and refuses connections."""

    name = "real-server-stop"

    def skip(self, stage: DrillContext) -> str:
        """It takes a unit to stop and a check to notice."""
        host = self.victim(stage)
        if why := super().skip(stage):
            return why
        if not unit_of(stage, host):
            return no_unit(host)
        return (
            ""
            if removal_bound(stage, host)
            else f"no check of {host} would notice that its service has stopped"
        )

    def bound(self, stage: DrillContext) -> float | None:
        """The check's."""
        return removal_bound(stage, self.victim(stage))

    def patience(self, stage: DrillContext) -> float:
        """The check's bound, and a margin."""
        return (self.bound(stage) or 0) + MARGIN

    def inject(self, stage: DrillContext) -> float:
        """Stop the unit."""
        return stage.break_host(self.victim(stage), "unit-stop", unit_of(stage, self.victim(stage)))

    def settled(self, stage: DrillContext) -> bool:
        """Whether it is out of every table."""
        return out_everywhere(stage, self.victim(stage))

    def unsettled(self, stage: DrillContext) -> str:
        """Clients go on being sent there."""
        return f"{self.victim(stage)} is stopped and still in a table after {self.patience(stage):.1f} s"

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """Out in time, and no request fails any more after that."""
        yield from super().judge(stage, outcome)
        bound = self.bound(stage) or 0
        yield from out_within(self.victim(stage), outcome, bound)
        yield within_bound("the time with failing requests", outcome.affected_ms, bound, outcome)
