"""The assertions that drills share. Pure: figures in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterator

from provision.desired.timing import MAX_REQUEST_TIME
from provision.drills.drill import DrillOutcome, DrillVerdict
from provision.prober.measure import ConnectionStats
from provision.prober.wire import Answer, MacOf, WhoHas

PLANNED_REQUESTS = 2000
"""Requests that a planned hand-over must be measured with."""


def expect(condition: bool, otherwise: str) -> DrillVerdict:
    """A verdict that has something to say only where it is not so."""
    return DrillVerdict(condition, "" if condition else otherwise)


def within_bound(what: str, outage_ms: float, bound: float, outcome: DrillOutcome) -> DrillVerdict:
    """Whether an outage keeps to its bound in seconds; the prober's own noise may be on top, and is said then."""
    bound_ms, allowance = bound * 1000, outcome.floor.slowest_ms + outcome.cadence * 1000
    if outage_ms <= bound_ms:
        return DrillVerdict(True, "")
    if outage_ms <= bound_ms + allowance:
        over = f"{what} of {outage_ms:.0f} ms is over the bound of {bound_ms:.0f} ms"
        return DrillVerdict(
            True, f"{over} by no more than the prober's own noise and cadence, {allowance:.0f} ms"
        )
    return DrillVerdict(
        False, f"{what} of {outage_ms:.0f} ms is longer than the bound of {bound_ms:.0f} ms"
    )


def all_survived(survivors: ConnectionStats) -> DrillVerdict:
    """Whether every connection that was open at the fault lived through it."""
    lost = survivors.established - survivors.survived
    if not survivors.established:
        return DrillVerdict(False, "no long-lived connection was open when the fault came")
    return expect(not lost, f"{lost} of {survivors.established} long-lived connections were lost")


def one_mac(answer: Answer, host: str, mac: str) -> DrillVerdict:
    """Whether the client is sent to the one holder: it alone answers ARP, and the client's own table has its MAC."""
    question = answer.question
    assert isinstance(question, WhoHas | MacOf)
    if answer.problem:
        return DrillVerdict(
            True, f"who answers for {question.address} could not be asked: {answer.problem}"
        )
    if isinstance(question, MacOf) and not answer.macs:
        return DrillVerdict(False, f"the client does not know how to reach {question.address}")
    if answer.macs == (mac,):
        return DrillVerdict(True, "")
    who = ", ".join(answer.macs) or "nobody"
    if isinstance(question, WhoHas):
        return DrillVerdict(
            False, f"{who} answers ARP for {question.address}; only {host} ({mac}) should"
        )
    return DrillVerdict(
        False,
        f"the client sends what is for {question.address} to {who} in place of {host} ({mac})",
    )


def lossless(outcome: DrillOutcome) -> Iterator[DrillVerdict]:
    """A planned hand-over: no request may fail, none may be slow, and there must be enough of them."""
    count, limit = len(outcome.requests), MAX_REQUEST_TIME * 1000
    yield expect(
        count >= PLANNED_REQUESTS,
        f"only {count} requests, {PLANNED_REQUESTS} are needed to say anything",
    )
    yield expect(not outcome.failed, f"{outcome.failed} of {count} requests failed")
    slowest = outcome.slowest_ms or 0.0
    yield expect(
        slowest <= limit, f"the slowest request took {slowest:.0f} ms, more than {limit:.0f}"
    )


def verdict_text(verdicts: Iterator[DrillVerdict]) -> tuple[bool, tuple[str, ...]]:
    """Whether all is well, and what is worth saying: what is wrong first, nothing of what is as it must be."""
    found = [verdict for verdict in verdicts if verdict.text]
    wrong = [verdict.text for verdict in found if not verdict.ok]
    return not wrong, (*wrong, *(verdict.text for verdict in found if verdict.ok))
