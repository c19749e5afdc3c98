"""Keepalived is killed on the master: no process is left that removes the addresses there."""

from __future__ import annotations

import time
from collections.abc import Iterator

from provision.desired import timing
from provision.drills.context import DrillContext
from provision.drills.director_state import shared_seconds
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.keepalived_stop import UNIT
from provision.drills.takeover import Takeover

CLEAN_UP_TIMEOUT = 3.0
"""Seconds that the host may take, after the takeover, to remove the dead Keepalived's addresses."""

STABLE_SECONDS = 1.5
"""Seconds for which one director alone must hold the addresses until the fault has settled."""


class KeepalivedKill(Takeover):
    """In the end exactly one director must hold the addresses.

    It may be either director: systemd may restart the killed Keepalived.
    """

    name = "keepalived-kill"

    def __init__(self) -> None:
        self._injected = 0.0
        self._alone_since: float | None = None

    def settle_timeout(self, context: DrillContext) -> float:
        """Takeover, clean-up, and the time for which the result must be stable."""
        return timing.crash(context.frontend, context.successor) + CLEAN_UP_TIMEOUT + STABLE_SECONDS

    def inject(self, context: DrillContext) -> float:
        """Send SIGKILL to all processes of Keepalived."""
        self._injected = context.break_host(context.holder, "unit-kill", UNIT)
        return self._injected

    def settled(self, context: DrillContext) -> bool:
        """Whether the takeover is due and one director has been the only holder for a while."""
        now = time.monotonic()
        if not any(context.held_by(host) for host in context.directors):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        due = self._injected + timing.crash(context.frontend, context.successor)
        return (
            now > due
            and self._alone_since is not None
            and now - self._alone_since >= STABLE_SECONDS
        )

    def unsettled(self, context: DrillContext) -> str:
        """Both directors hold the addresses, as with an unchanged Keepalived."""
        return (
            f"no single director holds the addresses after {self.settle_timeout(context):.1f} s; "
            f"{context.holders_text()}; "
            f"the killed Keepalived's addresses were not removed from {context.holder}"
        )

    def expected_holder(self, context: DrillContext, outcome: DrillOutcome) -> str:
        """The single holder; the successor where there was none."""
        holders = outcome.holders[context.vips[0]]
        return holders[0] if len(holders) == 1 else context.successor

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The verdict also says for how long two directors held the addresses.

        Clients need not notice: the kernel forwards on both.
        """
        yield from super().judge(context, outcome)
        both = shared_seconds(outcome.spans, outcome.injected)
        yield DrillVerdict(
            True, f"two directors held the addresses for {both * 1000:.0f} ms" if both else ""
        )
