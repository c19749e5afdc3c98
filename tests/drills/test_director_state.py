"""The states of a director become spans on the time axis."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provision.drills.director_state import DirectorState, shared_seconds, spans
from provision.drills.result import Span
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
WEB1, WEB2 = (f"-t {VIP}:80", "192.168.227.103:80"), (f"-t {VIP}:80", "192.168.227.104:80")
FRONTEND = topology([frontend()]).frontends[0]


def test_lines_of_ip_add_and_remove_addresses() -> None:
    state = DirectorState("lvs1", 0.0)
    added = state.with_address_line(
        f"2: eth0    inet {VIP}/32 scope global eth0\\       "
        "valid_lft forever preferred_lft forever",
        1.0,
    )
    assert (added.held, added.at) == (frozenset({VIP}), 1.0)
    deleted = added.with_address_line(f"Deleted 2: eth0    inet {VIP}/32 scope global eth0", 2.0)
    assert deleted.held == frozenset()
    ipv6 = state.with_address_line(
        "2: eth0    inet6 fd00::10/128 scope global deprecated nodad", 1.0
    )
    assert ipv6.held == {"fd00::10"}


def test_the_loopback_and_other_lines_change_nothing() -> None:
    state = DirectorState("web1", 0.0)
    for line in (
        f"1: lo    inet {VIP}/32 scope global lo:0",
        "",
        "alive",
        "Deleted",
        "2: eth0: <BROADCAST> mtu 1500",
    ):
        assert state.with_address_line(line, 1.0) == state


def test_a_takeover_gives_the_spans_of_both_holders() -> None:
    table = {WEB1: 1, WEB2: 1}
    takeover = spans(
        [
            DirectorState("lvs1", 0.0, frozenset({VIP}), table),
            DirectorState("lvs2", 0.0, frozenset(), table),
            DirectorState("lvs1", 4.0, frozenset(), table),
            DirectorState("lvs2", 4.5, frozenset({VIP}), table),
        ],
        FRONTEND,
        10.0,
        lambda at: at - 3.0,
    )
    assert [span for span in takeover if span.kind == "holder"] == [
        Span("holder", "lvs1", VIP, -3.0, 1.0),
        Span("holder", "lvs2", VIP, 1.5, 7.0),
    ]
    assert Span("health", "web1", "1", -3.0, 7.0, "lvs2") in takeover


def test_a_real_server_that_is_removed_from_the_table_has_no_weight() -> None:
    states = [
        DirectorState("lvs1", 0.0, frozenset(), {WEB1: 1, WEB2: 1}),
        DirectorState("lvs1", 2.0, frozenset(), {WEB2: 1}),
    ]
    assert [span for span in spans(states, FRONTEND, 5.0, float) if span.subject == "web1"] == [
        Span("health", "web1", "1", 0.0, 2.0, "lvs1"),
        Span("health", "web1", "", 2.0, 5.0, "lvs1"),
    ]


def test_the_time_with_two_holders_is_added_up() -> None:
    def holder(host: str, start: float, end: float) -> Span:
        return Span("holder", host, VIP, start, end)

    assert shared_seconds([holder("lvs1", 0, 5), holder("lvs2", 4, 9)], 0.0) == 1.0
    assert shared_seconds([holder("lvs1", 0, 5), holder("lvs2", 4, 9)], 4.5) == 0.5
    assert shared_seconds([holder("lvs1", 0, 5), holder("lvs2", 5, 9)], 0.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans()), min_size=1, max_size=12))
def test_spans_of_one_director_never_overlap(changes: list[tuple[float, bool]]) -> None:
    changes.sort(key=lambda change: change[0])
    states = [
        DirectorState("lvs1", at, frozenset({VIP}) if held else frozenset(), {})
        for at, held in changes
    ]
    all_spans = spans(states, FRONTEND, 11.0, float)
    holding = [span for span in all_spans if span.kind == "holder"]
    assert all(first.end <= second.start for first, second in pairwise(holding))
    assert shared_seconds(all_spans, 0.0) == 0.0
    assert (holding[-1].end == 11.0) == changes[-1][1] if holding else True
