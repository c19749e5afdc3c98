"""The base of the drills of directors: the successor takes over, and clients hardly notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from provision.desired import timing
from provision.drills.assertions import all_survived, expect, reaches_holder, within_bound
from provision.drills.context import DrillContext
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.table import as_intended
from provision.prober.wire import MacOf, Question, WhoHas


class Takeover(Drill):
    """The holder loses the addresses, and the successor alone must hold them."""

    def skip(self, context: DrillContext) -> str:
        """A takeover needs two directors."""
        return "" if context.successor else "the front end has one director: none can take over"

    def bound(self, context: DrillContext) -> float | None:
        """The successor's master-down timer."""
        return timing.crash(context.frontend, context.successor)

    def settled(self, context: DrillContext) -> bool:
        """Whether the successor holds every address, and no other director does."""
        return context.held_by(context.successor)

    def unsettled(self, context: DrillContext) -> str:
        """The actual holders of the addresses."""
        return (
            f"{context.successor} alone should have taken over within "
            f"{self.settle_timeout(context):.1f} s; {context.holders_text()}"
        )

    def expected_holder(self, context: DrillContext, outcome: DrillOutcome) -> str:  # noqa: ARG002
        """The director that clients must reach once the fault has settled."""
        return context.successor

    def questions(self, context: DrillContext) -> Sequence[Question]:
        """The hosts that answer for each address, and the MAC that the client uses."""
        return tuple(chain.from_iterable((WhoHas(vip), MacOf(vip)) for vip in context.vips))

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The bound, the connections, the ARP answers, and the new holder's table."""
        if bound := self.bound(context):
            yield within_bound("the outage", outcome.outage_ms, bound, outcome)
            yield within_bound(
                "an outage during the return", outcome.return_outage_ms, bound, outcome
            )
        yield all_survived(outcome.survivors)
        lost = outcome.returned.established - outcome.returned.survived
        open_at_return = outcome.returned.established
        yield expect(
            not lost,
            f"{lost} of {open_at_return} long-lived connections were lost during the return",
        )
        host = self.expected_holder(context, outcome)
        for answer in outcome.answers:
            yield reaches_holder(answer, host, context.mac(host))
        intended = as_intended(outcome.tables[host], context.frontend)
        yield expect(intended, f"the IPVS table of {host} is not as intended after the takeover")
