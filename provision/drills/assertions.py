"""The assertions that several drills share. Pure: figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.timing import MAX_REQUEST_TIME
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.prober.measure import ConnectionStats
from provision.prober.wire import Answer, MacOf, WhoHas

MIN_HANDOVER_REQUESTS = 2000
"""Fewest requests with which a planned hand-over counts as measured."""


def expect(condition: bool, otherwise: str) -> DrillVerdict:
    """A verdict; its text is empty where the condition holds, and `otherwise` where it does not."""
    return DrillVerdict(condition, "" if condition else otherwise)


def within_bound(
    subject: str, outage_ms: float, bound: float, outcome: DrillOutcome
) -> DrillVerdict:
    """Whether an outage keeps to its bound, which is in seconds.

    An outage may exceed the bound by the prober's own noise and cadence; the verdict then says so.
    """
    bound_ms, allowance = bound * 1000, outcome.floor.slowest_ms + outcome.cadence * 1000
    if outage_ms <= bound_ms:
        return DrillVerdict(True, "")
    if outage_ms <= bound_ms + allowance:
        over = f"{subject} of {outage_ms:.0f} ms is over the bound of {bound_ms:.0f} ms"
        return DrillVerdict(
            True, f"{over} by no more than the prober's own noise and cadence, {allowance:.0f} ms"
        )
    return DrillVerdict(
        False, f"{subject} of {outage_ms:.0f} ms is longer than the bound of {bound_ms:.0f} ms"
    )


def all_survived(survivors: ConnectionStats) -> DrillVerdict:
    """Whether every connection that was open when the fault came survived it."""
    lost = survivors.established - survivors.survived
    if not survivors.established:
        return DrillVerdict(False, "no long-lived connection was open when the fault came")
    return expect(not lost, f"{lost} of {survivors.established} long-lived connections were lost")


def reaches_holder(answer: Answer, host: str, mac: str) -> DrillVerdict:
    """Whether clients reach `host`: it alone answers ARP, and the client's table has its MAC."""
    question = answer.question
    assert isinstance(question, WhoHas | MacOf)
    if answer.problem:
        return DrillVerdict(
            True, f"cannot check which host answers for {question.address}: {answer.problem}"
        )
    if isinstance(question, MacOf) and not answer.macs:
        return DrillVerdict(False, f"the client has no MAC address for {question.address}")
    if answer.macs == (mac,):
        return DrillVerdict(True, "")
    macs = ", ".join(answer.macs) or "nobody"
    if isinstance(question, WhoHas):
        return DrillVerdict(
            False, f"{macs} answers ARP for {question.address}; only {host} ({mac}) should"
        )
    return DrillVerdict(
        False,
        f"the client sends packets for {question.address} to {macs} instead of {host} ({mac})",
    )


def lossless(outcome: DrillOutcome) -> Iterator[DrillVerdict]:
    """A planned hand-over: enough requests were measured, and none of them failed or was slow."""
    count, limit = len(outcome.requests), MAX_REQUEST_TIME * 1000
    yield expect(
        count >= MIN_HANDOVER_REQUESTS,
        f"only {count} requests were measured; a verdict needs {MIN_HANDOVER_REQUESTS}",
    )
    yield expect(not outcome.failed, f"{outcome.failed} of {count} requests failed")
    slowest = outcome.slowest_ms or 0.0
    yield expect(
        slowest <= limit, f"the slowest request took {slowest:.0f} ms, more than {limit:.0f}"
    )


def verdict_text(verdicts: Iterator[DrillVerdict]) -> tuple[bool, tuple[str, ...]]:
    """Whether every verdict is ok, and the verdicts' texts: failures first, then remarks."""
    nonempty = [verdict for verdict in verdicts if verdict.text]
    failures = [verdict.text for verdict in nonempty if not verdict.ok]
    return not failures, (*failures, *(verdict.text for verdict in nonempty if verdict.ok))
