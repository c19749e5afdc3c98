"""A real server loses the VIP from its loopback: the black hole of direct routing, which its checks do not see.

The director goes on sending it connections, and it drops them, as they are for an address that it does not have
(LVS-HOWTO, LVS-DR).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provision.drills.assertions import expect
from provision.drills.context import DrillContext
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.drills.servers import ServerDrill
from provision.drills.table import receives_connections
from provision.hosts.live.snapshot import Snapshot
from provision.prober.wire import Answer, ByMac, Question, ask


class RealServerWithoutVip(ServerDrill):
    """It passes when the black hole is found and named, and gone afterwards."""

    name = "real-server-without-vip"

    def __init__(self) -> None:
        self._after: tuple[Answer, ...] = ()

    def skip(self, stage: DrillContext) -> str:
        """Only where a real server has the VIPs on its loopback."""
        if why := super().skip(stage):
            return why
        return (
            ""
            if self._vips(stage)
            else "its real servers have no VIP of their own: nothing is routed directly"
        )

    def _vips(self, stage: DrillContext) -> list[tuple[str, str, str]]:
        """Address with prefix, device and label of each VIP on the victim."""
        found = Snapshot(stage.topology, stage.lives).expected(self.victim(stage)).lo_vips
        return [
            (vip.cidr, vip.device, vip.label or vip.device)
            for vip in found
            if vip.cidr.partition("/")[0] in stage.vips
        ]

    def inject(self, stage: DrillContext) -> float:
        """Take the first VIP off."""
        return stage.break_host(self.victim(stage), "address-del", *self._vips(stage)[0])

    def settled(self, stage: DrillContext) -> bool:  # noqa: ARG002
        """At once: nothing is going to notice."""
        return True

    def unsettled(self, stage: DrillContext) -> str:  # noqa: ARG002
        """Never asked."""
        return ""

    def questions(self, stage: DrillContext) -> Sequence[Question]:
        """What the victim says to a connection for the VIP, put on the wire to its own MAC."""
        host = self.victim(stage)
        vip = self._vips(stage)[0][0].partition("/")[0]
        mac = stage.lives[host].macs[Snapshot(stage.topology, stage.lives).expected(host).interface]
        ports = {
            service.model.port
            for service in stage.frontend.services
            if service.model.protocol == "tcp"
        }
        return tuple(ByMac(vip, port, mac) for port in sorted(port for port in ports if port))

    def undo(self, stage: DrillContext) -> None:
        """Put it back, and ask again: it must answer."""
        was_broken = bool(stage.faults)
        super().undo(stage)
        if was_broken:
            self._after = ask(stage.client(), self.questions(stage))

    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """Named while it was there, gone afterwards."""
        yield from super().judge(stage, outcome)
        host = self.victim(stage)
        blind = [
            each
            for each in stage.directors
            if receives_connections(outcome.tables[each], stage.frontend, host)
        ]
        for answer in outcome.answers:
            yield from _found(host, answer, blind)
        for answer in self._after:
            assert isinstance(answer.question, ByMac)
            well = answer.reply == "syn-ack" or bool(answer.problem)
            yield expect(
                well, f"{host} still does not answer for {answer.question.address}: {answer.reply}"
            )


def _found(host: str, answer: Answer, blind: Sequence[str]) -> Iterator[DrillVerdict]:
    question = answer.question
    assert isinstance(question, ByMac)
    place = f"{question.address} port {question.port}"
    if answer.problem:
        yield DrillVerdict(
            False, f"{host} could not be asked for {place} by its MAC: {answer.problem}"
        )
    elif answer.reply == "syn-ack":
        yield DrillVerdict(
            False,
            f"the black hole was not found: {host} answers for {place} without having the address",
        )
    else:
        kind = "drops" if answer.reply == "silent" else "refuses"
        seen = (
            f"; {' and '.join(blind)} keep it in the table, as their checks ask its own address"
            if blind
            else ""
        )
        yield DrillVerdict(True, f"black hole: {host} {kind} what is sent to it for {place}{seen}")
