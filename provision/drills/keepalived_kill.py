"""SIGKILL to all of the master's Keepalived: nobody is left there to take the addresses off its interface."""

from __future__ import annotations

import time
from collections.abc import Iterator

from provision.desired import timing
from provision.drills.context import DrillContext
from provision.drills.director_state import shared
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.keepalived_stop import UNIT
from provision.drills.takeover import Takeover

CLEAN_UP = 3.0
"""Seconds that the host may take, after the takeover, to clear away what the dead Keepalived left."""

QUIET = 1.5
"""Seconds for which one director alone must have held the addresses before it counts as settled."""


class KeepalivedKill(Takeover):
    """Exactly one director must hold the addresses in the end, whichever: systemd may start the dead one again."""

    name = "keepalived-kill"

    def __init__(self) -> None:
        self._injected = 0.0
        self._alone_since: float | None = None

    def patience(self, stage: DrillContext) -> float:
        """Takeover, clean-up, and a while to be sure."""
        return timing.crash(stage.frontend, stage.successor) + CLEAN_UP + QUIET

    def inject(self, stage: DrillContext) -> float:
        """Kill it."""
        self._injected = stage.break_host(stage.holder, "unit-kill", UNIT)
        return self._injected

    def settled(self, stage: DrillContext) -> bool:
        """Whether the takeover is due and one director has been the only holder for a while."""
        now = time.monotonic()
        if not any(stage.held_by(host) for host in stage.directors):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        due = self._injected + timing.crash(stage.frontend, stage.successor)
        return now > due and self._alone_since is not None and now - self._alone_since >= QUIET

    def unsettled(self, stage: DrillContext) -> str:
        """Stock Keepalived leaves the addresses on both."""
        what = f"no single director holds the addresses after {self.patience(stage):.1f} s; {stage.held()}"
        return f"{what}; nothing on {stage.holder} cleared away what the killed Keepalived left"

    def now_at(self, stage: DrillContext, outcome: DrillOutcome) -> str:
        """Whoever held them."""
        holding = outcome.holders[stage.vips[0]]
        return holding[0] if len(holding) == 1 else stage.successor

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """How long both held them is worth knowing, though the kernel forwards on either."""
        yield from super().judge(stage, outcome)
        both = shared(outcome.spans, outcome.injected)
        yield DrillVerdict(
            True, f"two directors held the addresses for {both * 1000:.0f} ms" if both else ""
        )
