"""Graceful stop of the master's Keepalived: it says goodbye with priority 0."""

from __future__ import annotations

from provision.desired import timing
from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover

UNIT = "keepalived.service"


class KeepalivedStop(Takeover):
    """The successor need not wait for three adverts, only for its skew."""

    name = "keepalived-stop"

    def bound(self, stage: DrillContext) -> float | None:
        """The successor's skew, and an advert's time."""
        return timing.graceful_stop(stage.frontend, stage.successor)

    def inject(self, stage: DrillContext) -> float:
        """Stop it."""
        return stage.break_host(stage.holder, "unit-stop", UNIT)
