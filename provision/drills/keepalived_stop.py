"""Keepalived is stopped on the master: it sends an advert with priority 0."""

from __future__ import annotations

from provision.desired import timing
from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover

UNIT = "keepalived.service"


class KeepalivedStop(Takeover):
    """The successor waits only for its skew, not for three adverts."""

    name = "keepalived-stop"

    def bound(self, context: DrillContext) -> float | None:
        """The successor's skew, and an advert interval."""
        return timing.graceful_stop(context.frontend, context.successor)

    def inject(self, context: DrillContext) -> float:
        """Stop the unit."""
        return context.break_host(context.holder, "unit-stop", UNIT)
