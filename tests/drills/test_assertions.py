"""The assertions that drills share, on invented figures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.drills.assertions import (
    all_survived,
    lossless,
    reaches_holder,
    verdict_text,
    within_bound,
)
from provision.drills.drill import DrillVerdict
from provision.prober.measure import ConnectionStats
from provision.prober.wire import Answer, MacOf, WhoHas
from tests.drills.building import VIP, new_context, outcome

MAC, OTHER = "02:68:61:00:00:02", "02:68:61:00:00:03"
PASSED = outcome(new_context())


def test_an_outage_within_its_bound_needs_no_message() -> None:
    assert within_bound("the outage", 722.0, 0.7227, PASSED) == DrillVerdict(True, "")


def test_an_outage_over_its_bound_by_noise_and_cadence_passes_with_a_message() -> None:
    """4 ms of noise and 5 ms of cadence."""
    verdict = within_bound("the outage", 731.0, 0.7227, PASSED)
    assert verdict.ok
    assert (
        "over the bound of 723 ms by no more than the prober's own noise and cadence, 9 ms"
        in verdict.text
    )


@given(st.floats(0, 5000), st.floats(0.01, 4))
def test_nothing_above_bound_noise_and_cadence_passes(outage_ms: float, bound: float) -> None:
    verdict = within_bound("the outage", outage_ms, bound, PASSED)
    assert verdict.ok == (outage_ms <= bound * 1000 + 9)
    assert bool(verdict.text) == (outage_ms > bound * 1000)


def test_every_connection_must_survive_and_at_least_one_must_be_open() -> None:
    assert all_survived(ConnectionStats(200, 200)) == DrillVerdict(True, "")
    assert all_survived(ConnectionStats(200, 199)) == DrillVerdict(
        False, "1 of 200 long-lived connections were lost"
    )
    assert not all_survived(ConnectionStats(0, 0)).ok, "nothing was measured"


def test_only_the_holder_answers_arp_and_the_client_sends_to_it() -> None:
    assert reaches_holder(Answer(WhoHas(VIP), (MAC,)), "lvs2", MAC) == DrillVerdict(True, "")
    assert reaches_holder(Answer(MacOf(VIP), (MAC,)), "lvs2", MAC) == DrillVerdict(True, "")
    both = reaches_holder(Answer(WhoHas(VIP), (MAC, OTHER)), "lvs2", MAC)
    assert (both.ok, both.text) == (
        False,
        f"{MAC}, {OTHER} answers ARP for {VIP}; only lvs2 ({MAC}) should",
    )
    assert not reaches_holder(Answer(WhoHas(VIP)), "lvs2", MAC).ok
    assert not reaches_holder(Answer(MacOf(VIP), (OTHER,)), "lvs2", MAC).ok
    assert not reaches_holder(Answer(MacOf(VIP)), "lvs2", MAC).ok


def test_a_question_that_cannot_be_asked_is_a_message_and_no_failure() -> None:
    verdict = reaches_holder(Answer(WhoHas(VIP), problem="a router is between"), "lvs2", MAC)
    assert verdict.ok
    assert "a router is between" in verdict.text


def test_a_planned_hand_over_loses_nothing() -> None:
    assert verdict_text(lossless(PASSED)) == (True, ())
    assert verdict_text(lossless(outcome(new_context(), failed=1))) == (
        False,
        ("1 of 2100 requests failed",),
    )
    slow = outcome(new_context(), slowest_ms=201.0)
    assert verdict_text(lossless(slow)) == (
        False,
        ("the slowest request took 201 ms, more than 200",),
    )
    few = outcome(new_context(), requests=PASSED.requests[:1999])
    assert verdict_text(lossless(few)) == (
        False,
        ("only 1999 requests were measured; a verdict needs 2000",),
    )


def test_failures_come_before_remarks_and_passed_assertions_have_no_message() -> None:
    verdicts = [
        DrillVerdict(True, "by the way"),
        DrillVerdict(True, ""),
        DrillVerdict(False, "wrong"),
    ]
    assert verdict_text(iter(verdicts)) == (False, ("wrong", "by the way"))
