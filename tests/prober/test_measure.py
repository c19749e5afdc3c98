"""What the records mean, on recordings of which the answer is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.prober import measure
from provision.prober.measure import AdvertGap, Baseline
from provision.prober.record import Advert, Connection, Request

CADENCE = 0.005
GOOD, LATE = 0.002, 1.001


def requests(*parts: tuple[int, float | None], service: int = 0, error: str = "") -> list[Request]:
    """So many requests of so long an answer each, one after the other; None for none."""
    answers = [done for count, done in parts for _ in range(count)]
    return [
        Request(service, at * CADENCE, done and done / 2, done, error if done is None else "")
        for at, done in enumerate(answers)
    ]


def adverts(source: str, *times: float, vrid: int = 10) -> list[Advert]:
    return [Advert(at, source, vrid, 100, 3) for at in times]


def test_an_outage_lasts_from_its_first_bad_request_to_the_next_good_one() -> None:
    assert measure.outage(requests((100, GOOD), (60, LATE), (40, GOOD)), 0.15) == pytest.approx(300)
    assert measure.outage(
        requests((100, GOOD), (60, None), (40, GOOD), error="refused"), 0.15
    ) == pytest.approx(300)
    assert measure.outage(requests((100, GOOD)), 0.15) == 0
    assert measure.outage([], 0.15) == 0


def test_of_two_runs_the_longer_one_counts_and_both_affect() -> None:
    twice = requests((10, GOOD), (20, LATE), (10, GOOD), (30, LATE), (10, GOOD))
    assert measure.outage(twice, 0.15) == pytest.approx(150)
    assert measure.affected(twice, 0.15) == pytest.approx(300)


def test_services_are_not_added_up() -> None:
    both = requests((10, LATE), (90, GOOD)) + requests(
        (20, GOOD), (10, LATE), (70, GOOD), service=1
    )
    assert measure.outage(both, 0.15) == pytest.approx(50)
    assert measure.affected(both, 0.15) == pytest.approx(150)


def test_an_outage_without_an_end_lasts_to_the_last_request() -> None:
    assert measure.outage(requests((10, GOOD), (41, None), error="timeout"), 0.15) == pytest.approx(
        200
    )


def test_a_request_that_was_only_just_sent_is_not_bad_yet() -> None:
    assert measure.outage(requests((100, GOOD), (20, None)), 0.15) == 0
    assert measure.outage(requests((100, GOOD), (100, None)), 0.15) > 0


@given(st.lists(st.sampled_from([GOOD, LATE, None]), max_size=60), st.integers(0, 3))
def test_no_outage_is_longer_than_what_was_affected(
    answers: list[float | None], service: int
) -> None:
    every = requests(*((1, done) for done in answers), service=service, error="reset")
    longest, affected = measure.outage(every, 0.15), measure.affected(every, 0.15)
    assert 0 <= longest <= affected + 1e-6 <= len(answers) * CADENCE * 1000 + 1e-3
    bad = [done for done in answers[:-1] if done != GOOD]
    assert (affected > 0) == bool(bad)
    assert measure.failed(every) == answers.count(None)
    assert measure.outage(reversed(every), 0.15) == longest, "their order does not matter"


def test_the_noise_floor() -> None:
    floor = measure.noise([*requests((98, GOOD), (2, 0.01)), Request(0, 9.0, None, None, "reset")])
    assert floor == pytest.approx((101, 1, 2, 10, 10))
    assert measure.noise([]) == Baseline(0, 0, 0, 0, 0)


@given(st.floats(0, 5000))
def test_what_is_late_depends_on_the_noise_but_never_hides_a_lost_syn(slowest: float) -> None:
    late = measure.slow_after(Baseline(1000, 0, 1.0, 2.0, slowest))
    assert 0.15 <= late < 1
    assert late > slowest / 1000 or late == 0.9
    if slowest < 75:
        assert late < 0.2, "a segment that is sent again after 200 ms is seen"


def test_survivors_are_those_that_were_there_and_not_lost() -> None:
    connections = [
        Connection(0, 1.0),
        Connection(0, 1.0, lost=5.5, error="reset"),
        Connection(0, 1.0, lost=3.0, error="reset"),
        Connection(0, 1.0, closed=3.0),
        Connection(0, 1.0, closed=6.0),
        Connection(0, 4.5),
    ]
    assert measure.survivors(connections, 4.0) == (3, 2)
    assert measure.survivors(connections, 4.0, until=5.0) == (3, 3)
    assert measure.survivors([], 4.0) == (0, 0)


def test_the_slowest_is_a_good_one() -> None:
    assert measure.slowest(requests((3, GOOD), (1, 0.5), (1, None))) == 500
    assert measure.slowest(requests((3, None))) is None


def test_a_missing_advert_is_a_silence() -> None:
    heard = (
        adverts("10.0.0.1", 0.0, 0.2, 0.4)
        + adverts("10.0.0.2", 1.0, 1.2)
        + adverts("10.0.0.1", 0.0, 0.9, vrid=11)
    )
    assert measure.silences(heard, 0.2) == (AdvertGap(11, 0.0, 0.9), AdvertGap(10, 0.4, 1.0))


A, B = "10.0.0.1", "10.0.0.2"


def test_two_masters_are_known_within_three_adverts() -> None:
    for phase in (0.001, 0.05, 0.1, 0.15, 0.199):
        heard = adverts(A, *(0.2 * at for at in range(20))) + adverts(
            B, *(1 + phase + 0.2 * at for at in range(5))
        )
        (split_brain,) = measure.split_brain_intervals(heard, 10, 0.2)
        assert split_brain.sources == (A, B) and split_brain.start == pytest.approx(1 + phase)
        assert split_brain.known - split_brain.start <= 0.6
        assert split_brain.end == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize(
    "after",
    [(1.0, 1.2, 1.4), (0.79, 0.99, 1.19), (0.801, 1.0)],
    ids=["next", "before its time", "in the same moment"],
)
def test_a_hand_over_is_no_rivalry(after: tuple[float, ...]) -> None:
    assert (
        measure.split_brain_intervals(
            adverts(A, 0, 0.2, 0.4, 0.6, 0.8) + adverts(B, *after), 10, 0.2
        )
        == ()
    )


def test_a_hand_over_and_back_is_no_rivalry() -> None:
    heard = adverts(A, 0, 0.2) + adverts(B, 0.21, 0.41, 0.61) + adverts(A, 0.62, 0.82)
    assert measure.split_brain_intervals(heard, 10, 0.2) == ()


def test_other_routers_and_the_other_family_do_not_count() -> None:
    times = [0.2 * at for at in range(10)]
    shifted = [at + 0.1 for at in times]
    assert (
        measure.split_brain_intervals(adverts(A, *times) + adverts(B, *shifted, vrid=11), 10, 0.2)
        == ()
    )
    assert (
        measure.split_brain_intervals(adverts(A, *times) + adverts("fe80::1", *shifted), 10, 0.2)
        == ()
    )


@given(st.floats(0, 0.19), st.floats(0.05, 2), st.integers(3, 50))
def test_two_masters_are_found_at_any_interval(phase: float, interval: float, count: int) -> None:
    first = [at * interval for at in range(count)]
    second = [interval * (at + 0.02 + phase) for at in range(count)]
    (split_brain,) = measure.split_brain_intervals(
        adverts(A, *first) + adverts(B, *second), 10, interval
    )
    assert (
        math.isclose(split_brain.start, second[0]) and split_brain.known <= second[0] + 3 * interval
    )
