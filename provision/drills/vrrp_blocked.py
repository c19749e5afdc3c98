"""The successor no longer receives the master's adverts: the split brain must be reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.desired import timing
from provision.drills.assertions import all_survived, expect, within_bound
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.takeover import Takeover
from provision.prober.measure import SplitBrain, split_brain_intervals
from provision.prober.record import Advert
from provision.prober.wire import Question


class VrrpBlocked(Takeover):
    """Split brain: both directors forward, and clients hardly notice. Only the adverts show it."""

    name = "vrrp-blocked"

    def inject(self, context: DrillContext) -> float:
        """Drop VRRP packets that arrive at the successor."""
        return context.break_host(context.successor, "vrrp-block")

    def settled(self, context: DrillContext) -> bool:
        """Whether both hold every address and the client has seen the adverts of both."""
        return context.held_by(context.holder, context.successor) and self._adverts_seen(context)

    def _adverts_seen(self, context: DrillContext) -> bool:
        assert context.prober is not None
        return context.frontend.vrrp.unicast is not None or bool(
            split_brains(context, context.prober.recording().adverts)
        )

    def unsettled(self, context: DrillContext) -> str:
        """Either there was no split brain, or the client did not see it."""
        if not context.held_by(context.holder, context.successor):
            return (
                f"the fault had no effect: {context.successor} did not become master; "
                f"{context.holders_text()}"
            )
        return "two directors hold the addresses, but the client has not seen adverts of both"

    def questions(self, context: DrillContext) -> Sequence[Question]:  # noqa: ARG002
        """None: both directors answer."""
        return ()

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The split brain was reported in time, and no client lost its connection."""
        bound = timing.crash(context.frontend, context.successor)
        yield within_bound("the outage", outcome.outage_ms, bound, outcome)
        yield all_survived(outcome.survivors)
        if context.frontend.vrrp.unicast:
            yield DrillVerdict(
                True,
                "split brain: both directors hold the addresses; "
                "unicast adverts do not reach the client",
            )
            return
        limit = timing.split_brain_detection(context.frontend)
        for split_brain in split_brains(context, outcome.recording.adverts)[:1]:
            text = split_brain_text(context, split_brain)
            after = split_brain.known - split_brain.start
            yield DrillVerdict(
                True,
                f"{text}; known {after * 1000:.0f} ms after the second director's first advert",
            )
            yield expect(
                after <= limit,
                f"the split brain was known later than three adverts, {limit * 1000:.0f} ms",
            )


def split_brains(context: DrillContext, adverts: Sequence[Advert]) -> tuple[SplitBrain, ...]:
    """The times in which two directors advertised the front end's VRID at once."""
    return split_brain_intervals(
        adverts, context.frontend.vrrp.virtual_router_id, context.frontend.vrrp.interval
    )


def split_brain_text(context: DrillContext, split_brain: SplitBrain) -> str:
    """`split brain: lvs1 and lvs2 both advertise VRID 10`."""
    names = directors_by_source(context)
    hosts = sorted(names.get(source, source) for source in split_brain.sources)
    return f"split brain: {' and '.join(hosts)} both advertise VRID {split_brain.vrid}"


def directors_by_source(context: DrillContext) -> dict[str, str]:
    """The directors by the source addresses of their adverts."""
    return {
        address.address: host
        for host in context.directors
        for address in context.live_hosts[host].addresses
        if address.interface != "lo" and address.address not in context.vips
    }
