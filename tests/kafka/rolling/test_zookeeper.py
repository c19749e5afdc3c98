"""ZooKeeper's members: which serve, and which may stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.rolling.zookeeper import serves, stop_refusal

SRVR = (
    "Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.0/0\nZxid: 0x100\n"
    "Mode: follower\nNode count: 5\n"
)


def test_a_member_that_serves_names_its_mode() -> None:
    assert serves(SRVR)
    assert serves(SRVR.replace("follower", "leader"))
    assert not serves("This ZooKeeper instance is not currently serving requests\n")
    assert not serves("")


@pytest.mark.parametrize(("members", "expected"), [
    ({"a": True}, True),
    ({"a": False}, True),
    ({"a": True, "b": True}, True),
    ({"a": True, "b": False}, False),
    ({"a": True, "b": True, "c": True}, True),
    ({"a": True, "b": True, "c": False}, False),
    ({"a": False, "b": True, "c": True}, True),
    ({"a": True, "b": True, "c": True, "d": True, "e": False}, True),
])  # fmt: skip
def test_a_member_may_stop_only_if_a_majority_stays(
    members: dict[str, bool], expected: bool
) -> None:
    assert (stop_refusal(members, "a") == "") is expected


@given(st.dictionaries(st.sampled_from("abcdefg"), st.booleans(), min_size=3))
def test_of_three_or_more_members_a_majority_serves_after_one_stops(
    members: dict[str, bool],
) -> None:
    for host in members:
        if not stop_refusal(members, host):
            serving = sum(up for name, up in members.items() if name != host)
            assert serving > len(members) // 2 or serving == len(members) - 1
