"""Sights of a director become spans on the time axis."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provision.drills.director_state import DirectorState, shared, spans
from provision.drills.result import Span
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
WEB1, WEB2 = (f"-t {VIP}:80", "192.168.227.103:80"), (f"-t {VIP}:80", "192.168.227.104:80")
ONE = topology([frontend()]).frontends[0]


def test_addresses_come_and_go_as_ip_prints_them() -> None:
    sight = DirectorState("lvs1", 0.0)
    added = sight.with_address_line(
        f"2: eth0    inet {VIP}/32 scope global eth0\\       valid_lft forever preferred_lft forever",
        1.0,
    )
    assert (added.held, added.at) == (frozenset({VIP}), 1.0)
    gone = added.with_address_line(f"Deleted 2: eth0    inet {VIP}/32 scope global eth0", 2.0)
    assert gone.held == frozenset()
    six = sight.with_address_line(
        "2: eth0    inet6 fd00::10/128 scope global deprecated nodad", 1.0
    )
    assert six.held == {"fd00::10"}


def test_the_loopback_and_other_lines_say_nothing() -> None:
    sight = DirectorState("web1", 0.0)
    for line in (
        f"1: lo    inet {VIP}/32 scope global lo:0",
        "",
        "alive",
        "Deleted",
        "2: eth0: <BROADCAST> mtu 1500",
    ):
        assert sight.with_address_line(line, 1.0) == sight


def test_spans_of_a_takeover() -> None:
    whole = {WEB1: 1, WEB2: 1}
    found = spans(
        [
            DirectorState("lvs1", 0.0, frozenset({VIP}), whole),
            DirectorState("lvs2", 0.0, frozenset(), whole),
            DirectorState("lvs1", 4.0, frozenset(), whole),
            DirectorState("lvs2", 4.5, frozenset({VIP}), whole),
        ],
        ONE,
        10.0,
        lambda at: at - 3.0,
    )
    assert [span for span in found if span.kind == "holder"] == [
        Span("holder", "lvs1", VIP, -3.0, 1.0),
        Span("holder", "lvs2", VIP, 1.5, 7.0),
    ]
    assert Span("health", "web1", "1", -3.0, 7.0, "lvs2") in found


def test_a_real_server_that_leaves_the_table_has_no_weight() -> None:
    sights = [
        DirectorState("lvs1", 0.0, frozenset(), {WEB1: 1, WEB2: 1}),
        DirectorState("lvs1", 2.0, frozenset(), {WEB2: 1}),
    ]
    found = [span for span in spans(sights, ONE, 5.0, float) if span.subject == "web1"]
    assert found == [
        Span("health", "web1", "1", 0.0, 2.0, "lvs1"),
        Span("health", "web1", "", 2.0, 5.0, "lvs1"),
    ]


def test_time_with_two_holders() -> None:
    def holder(host: str, start: float, end: float) -> Span:
        return Span("holder", host, VIP, start, end)

    assert shared([holder("lvs1", 0, 5), holder("lvs2", 4, 9)], 0.0) == 1.0
    assert shared([holder("lvs1", 0, 5), holder("lvs2", 4, 9)], 4.5) == 0.5
    assert shared([holder("lvs1", 0, 5), holder("lvs2", 5, 9)], 0.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), min_size=1, max_size=12))
def test_spans_of_one_director_never_overlap(states: list[tuple[float, bool]]) -> None:
    states.sort(key=lambda state: state[0])
    sights = [
        DirectorState("lvs1", at, frozenset({VIP}) if held else frozenset(), {})
        for at, held in states
    ]
    found = spans(sights, ONE, 11.0, float)
    held = [span for span in found if span.kind == "holder"]
    assert all(first.end <= second.start for first, second in pairwise(held))
    assert shared(found, 0.0) == 0.0
    assert (held[-1].end == 11.0) == states[-1][1] if held else True
