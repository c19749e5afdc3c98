"""Members of ZooKeeper: which serve, and which may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.rolling.zookeeper import may_go, serves

SRVR = "Zookeeper version: 3.8.0\nLatency min/avg/max: 0/0.0/0\nZxid: 0x100\nMode: follower\nNode count: 5\n"


def test_who_takes_part_says_as_what() -> None:
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
def test_a_majority_stays(members: dict[str, bool], expected: bool) -> None:
    assert (may_go(members, "a") == "") is expected


@given(st.dictionaries(st.sampled_from("abcdefg"), st.booleans(), min_size=3))
def test_of_three_and_more_a_majority_serves_without_whoever_goes(members: dict[str, bool]) -> None:
    for host in members:
        if not may_go(members, host):
            serving = sum(up for name, up in members.items() if name != host)
            assert serving > len(members) // 2 or serving == len(members) - 1
