"""What drills of the directors have in common: the successor takes over, and clients hardly notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from provision.desired import timing
from provision.drills.assertions import all_survived, expect, one_mac, within_bound
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.table import as_intended
from provision.prober.wire import MacOf, Question, WhoHas


class Takeover(Drill):
    """The holder loses the addresses, and the successor alone must have them."""

    def skip(self, stage: DrillContext) -> str:
        """It takes two directors."""
        return "" if stage.successor else "the front end has one director: nobody can take over"

    def bound(self, stage: DrillContext) -> float | None:
        """The successor notices that nothing comes any more."""
        return timing.crash(stage.frontend, stage.successor)

    def settled(self, stage: DrillContext) -> bool:
        """Whether the successor holds every address, and nobody else does."""
        return stage.held_by(stage.successor)

    def unsettled(self, stage: DrillContext) -> str:
        """Who holds what instead."""
        return f"{stage.successor} alone should have taken over within {self.patience(stage):.1f} s; {stage.held()}"

    def now_at(self, stage: DrillContext, outcome: DrillOutcome) -> str:  # noqa: ARG002
        """The director to which clients must be sent once it has settled."""
        return stage.successor

    def questions(self, stage: DrillContext) -> Sequence[Question]:
        """Who answers for each address, and to whom the client really sends."""
        return tuple(chain.from_iterable((WhoHas(vip), MacOf(vip)) for vip in stage.vips))

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """Bound, connections, who answers ARP, and the table of the director that serves now."""
        if bound := self.bound(stage):
            yield within_bound("the outage", outcome.outage_ms, bound, outcome)
            yield within_bound(
                "an outage during the return", outcome.return_outage_ms, bound, outcome
            )
        yield all_survived(outcome.survivors)
        lost = outcome.returned.established - outcome.returned.survived
        yield expect(
            not lost,
            f"{lost} of {outcome.returned.established} long-lived connections were lost on the return",
        )
        host = self.now_at(stage, outcome)
        for answer in outcome.answers:
            yield one_mac(answer, host, stage.mac(host))
        whole = as_intended(outcome.tables[host], stage.frontend)
        yield expect(whole, f"the IPVS table of {host} is not as intended after the takeover")
