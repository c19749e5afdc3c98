"""The successor no longer hears the master: both hold the addresses, and that must be noticed and named."""

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
    """Split brain. Both directors forward, so that clients hardly notice; the wire tells."""

    name = "vrrp-blocked"

    def inject(self, stage: DrillContext) -> float:
        """Drop the protocol on its way into the successor."""
        return stage.break_host(stage.successor, "vrrp-block")

    def settled(self, stage: DrillContext) -> bool:
        """Whether both hold every address and the wire has shown it."""
        return stage.held_by(stage.holder, stage.successor) and self._heard(stage)

    def _heard(self, stage: DrillContext) -> bool:
        assert stage.prober is not None
        return stage.frontend.vrrp.unicast is not None or bool(
            rivals(stage, stage.prober.recording().adverts)
        )

    def unsettled(self, stage: DrillContext) -> str:
        """Either there was no split brain, or it was not noticed."""
        if not stage.held_by(stage.holder, stage.successor):
            return f"the fault did not take hold: {stage.successor} did not become master too; {stage.held()}"
        return "two directors hold the addresses, and the client has not seen adverts of both"

    def questions(self, stage: DrillContext) -> Sequence[Question]:  # noqa: ARG002
        """None: both answer."""
        return ()

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """It was named in time, and nobody lost anything."""
        yield within_bound(
            "the outage", outcome.outage_ms, timing.crash(stage.frontend, stage.successor), outcome
        )
        yield all_survived(outcome.survivors)
        if stage.frontend.vrrp.unicast:
            yield DrillVerdict(
                True,
                "split brain: seen by both holding the addresses; unicast adverts pass no client",
            )
            return
        limit = timing.split_brain_detection(stage.frontend)
        for found in rivals(stage, outcome.recording.adverts)[:1]:
            who, after = named(stage, found), found.known - found.start
            yield DrillVerdict(
                True, f"{who}; known {after * 1000:.0f} ms after the second's first advert"
            )
            yield expect(after <= limit, f"that is later than three adverts, {limit * 1000:.0f} ms")


def rivals(stage: DrillContext, adverts: Sequence[Advert]) -> tuple[SplitBrain, ...]:
    """When two directors advertised the front end's VRID at once."""
    return split_brain_intervals(
        adverts, stage.frontend.vrrp.virtual_router_id, stage.frontend.vrrp.interval
    )


def named(stage: DrillContext, rivalry: SplitBrain) -> str:
    """`split brain: lvs1 and lvs2 both advertise VRID 10`."""
    names = sources(stage)
    hosts = sorted(names.get(source, source) for source in rivalry.sources)
    return f"split brain: {' and '.join(hosts)} both advertise VRID {rivalry.vrid}"


def sources(stage: DrillContext) -> dict[str, str]:
    """The directors by the addresses that their adverts come from."""
    return {
        own.address: host
        for host in stage.directors
        for own in stage.lives[host].addresses
        if own.interface != "lo" and own.address not in stage.vips
    }
