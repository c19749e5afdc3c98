"""A real server loses the VIP from its loopback: a black hole that its checks do not notice.

With direct routing the director still sends it connections. The real server drops them, because it
does not have the address (LVS-HOWTO, LVS-DR).
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
    """The drill passes when the black hole is found and named, and gone afterwards."""

    name = "real-server-without-vip"

    def __init__(self) -> None:
        self._answers_after: tuple[Answer, ...] = ()

    def skip(self, context: DrillContext) -> str:
        """The drill needs a real server that has VIPs on its loopback."""
        if reason := super().skip(context):
            return reason
        return (
            ""
            if self._vips(context)
            else "its real servers have no VIP of their own: the front end does not route directly"
        )

    def _vips(self, context: DrillContext) -> list[tuple[str, str, str]]:
        """Address with prefix, device and label of each VIP on the victim."""
        snapshot = Snapshot(context.topology, context.live_hosts)
        return [
            (vip.cidr, vip.device, vip.label or vip.device)
            for vip in snapshot.expected(self.victim(context)).lo_vips
            if vip.cidr.partition("/")[0] in context.vips
        ]

    def inject(self, context: DrillContext) -> float:
        """Remove the first VIP."""
        return context.break_host(self.victim(context), "address-del", *self._vips(context)[0])

    def settled(self, context: DrillContext) -> bool:  # noqa: ARG002
        """True at once: no check notices the fault."""
        return True

    def unsettled(self, context: DrillContext) -> str:  # noqa: ARG002
        """Empty: the fault settles at once."""
        return ""

    def questions(self, context: DrillContext) -> Sequence[Question]:
        """Connections to the VIP, sent to the victim's MAC."""
        host = self.victim(context)
        vip = self._vips(context)[0][0].partition("/")[0]
        snapshot = Snapshot(context.topology, context.live_hosts)
        mac = context.live_hosts[host].macs[snapshot.expected(host).interface]
        ports = {
            service.model.port
            for service in context.frontend.services
            if service.model.protocol == "tcp"
        }
        return tuple(ByMac(vip, port, mac) for port in sorted(port for port in ports if port))

    def undo(self, context: DrillContext) -> None:
        """Restore the VIP, and ask again: the real server must answer."""
        was_broken = bool(context.faults)
        super().undo(context)
        if was_broken:
            self._answers_after = ask(context.client(), self.questions(context))

    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The black hole was named while it was there, and is gone afterwards."""
        yield from super().judge(context, outcome)
        host = self.victim(context)
        sending = [
            director
            for director in context.directors
            if receives_connections(outcome.tables[director], context.frontend, host)
        ]
        for answer in outcome.answers:
            yield _black_hole_verdict(host, answer, sending)
        for answer in self._answers_after:
            assert isinstance(answer.question, ByMac)
            ok = answer.reply == "syn-ack" or bool(answer.problem)
            yield expect(
                ok, f"{host} still does not answer for {answer.question.address}: {answer.reply}"
            )


def _black_hole_verdict(host: str, answer: Answer, directors: Sequence[str]) -> DrillVerdict:
    """Whether `host` drops connections to the VIP; `directors` still send it connections."""
    question = answer.question
    assert isinstance(question, ByMac)
    endpoint = f"{question.address} port {question.port}"
    if answer.problem:
        return DrillVerdict(False, f"cannot ask {host} for {endpoint} by its MAC: {answer.problem}")
    if answer.reply == "syn-ack":
        return DrillVerdict(
            False,
            f"the black hole was not found: {host} answers for {endpoint} without the address",
        )
    verb = "drops" if answer.reply == "silent" else "refuses"
    tables = (
        f"; {' and '.join(directors)} keep it in the table, "
        "because their checks use its own address"
        if directors
        else ""
    )
    return DrillVerdict(True, f"black hole: {host} {verb} connections to {endpoint}{tables}")
