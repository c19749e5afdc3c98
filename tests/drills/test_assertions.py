"""The assertions that drills share, on figures made up for the purpose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.drills.assertions import all_survived, lossless, one_mac, verdict_text, within_bound
from provision.drills.drill import DrillVerdict
from provision.prober.measure import ConnectionStats
from provision.prober.wire import Answer, MacOf, WhoHas
from tests.drills.building import VIP, outcome, stage

MAC, OTHER = "02:68:61:00:00:02", "02:68:61:00:00:03"
WELL = outcome(stage())


def test_an_outage_within_its_bound_needs_no_words() -> None:
    assert within_bound("the outage", 722.0, 0.7227, WELL) == DrillVerdict(True, "")


def test_over_the_bound_by_noise_and_cadence_is_said() -> None:
    """4 ms of noise and 5 ms of cadence."""
    verdict = within_bound("the outage", 731.0, 0.7227, WELL)
    assert verdict.ok
    assert (
        "over the bound of 723 ms by no more than the prober's own noise and cadence, 9 ms"
        in verdict.text
    )


@given(st.floats(0, 5000), st.floats(0.01, 4))
def test_nothing_above_bound_noise_and_cadence_passes(outage_ms: float, bound: float) -> None:
    verdict = within_bound("the outage", outage_ms, bound, WELL)
    assert verdict.ok == (outage_ms <= bound * 1000 + 9)
    assert bool(verdict.text) == (outage_ms > bound * 1000)


def test_connections() -> None:
    assert all_survived(ConnectionStats(200, 200)) == DrillVerdict(True, "")
    assert all_survived(ConnectionStats(200, 199)) == DrillVerdict(
        False, "1 of 200 long-lived connections were lost"
    )
    assert not all_survived(ConnectionStats(0, 0)).ok, "nothing was measured"


def test_only_the_holder_answers_and_is_sent_to() -> None:
    assert one_mac(Answer(WhoHas(VIP), (MAC,)), "lvs2", MAC) == DrillVerdict(True, "")
    assert one_mac(Answer(MacOf(VIP), (MAC,)), "lvs2", MAC) == DrillVerdict(True, "")
    both = one_mac(Answer(WhoHas(VIP), (MAC, OTHER)), "lvs2", MAC)
    assert (both.ok, both.text) == (
        False,
        f"{MAC}, {OTHER} answers ARP for {VIP}; only lvs2 ({MAC}) should",
    )
    assert not one_mac(Answer(WhoHas(VIP)), "lvs2", MAC).ok
    assert not one_mac(Answer(MacOf(VIP), (OTHER,)), "lvs2", MAC).ok
    assert not one_mac(Answer(MacOf(VIP)), "lvs2", MAC).ok


def test_what_could_not_be_asked_is_said_and_fails_nothing() -> None:
    verdict = one_mac(Answer(WhoHas(VIP), problem="a router is between"), "lvs2", MAC)
    assert verdict.ok
    assert "a router is between" in verdict.text


def test_a_planned_hand_over_loses_nothing() -> None:
    assert verdict_text(lossless(WELL)) == (True, ())
    assert verdict_text(lossless(outcome(stage(), failed=1))) == (
        False,
        ("1 of 2100 requests failed",),
    )
    slow = outcome(stage(), slowest_ms=201.0)
    assert verdict_text(lossless(slow)) == (
        False,
        ("the slowest request took 201 ms, more than 200",),
    )
    few = outcome(stage(), requests=WELL.requests[:1999])
    assert verdict_text(lossless(few)) == (
        False,
        ("only 1999 requests, 2000 are needed to say anything",),
    )


def test_what_is_wrong_comes_first_and_what_is_right_is_silent() -> None:
    verdicts = [
        DrillVerdict(True, "by the way"),
        DrillVerdict(True, ""),
        DrillVerdict(False, "wrong"),
    ]
    assert verdict_text(iter(verdicts)) == (False, ("wrong", "by the way"))
