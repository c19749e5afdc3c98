"""The order of a rollout, and one error for many hosts. Real hosts test the transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import (
    Exit,
    HactlError,
    HostError,
    InputError,
    Position,
    Problem,
    Unreachable,
)
from provision.core.facts import Facts
from provision.deploy.batch import reloads_keepalived, with_barrier
from provision.deploy.inspection import raise_all
from provision.deploy.plan import Change, HostPlan
from provision.deploy.rollout import Rollout
from provision.desired.items import DesiredHost
from provision.hosts.agent.observe import Observed
from provision.hosts.agent.payload import Op

STAGES = (("web1", "web2", "web3"), ("lvs2",), ("lvs1",))


def batches(serial: int, *due: str) -> list[tuple[str, ...]]:
    return list(
        Rollout(STAGES, serial, "kim@ops", "digest", 7, "2026-01-01T00:00:00Z").batches(due)
    )


def test_real_servers_then_backups_then_the_master() -> None:
    assert batches(0, "lvs1", "lvs2", "web1", "web2", "web3") == list(STAGES)


def test_serial_cuts_a_stage_into_batches_and_never_joins_stages() -> None:
    due = ("lvs1", "lvs2", "web1", "web2", "web3")
    assert batches(2, *due) == [("web1", "web2"), ("web3",), ("lvs2",), ("lvs1",)]


def test_hosts_without_changes_are_in_no_batch() -> None:
    assert batches(0, "web2", "lvs1") == [("web2",), ("lvs1",)]


def test_no_error_raises_nothing_and_a_single_error_is_raised_unchanged() -> None:
    raise_all([])
    error = Unreachable("web1", "no route")
    with pytest.raises(Unreachable) as caught:
        raise_all([error])
    assert caught.value is error


def test_several_errors_become_one_error_and_wrong_input_decides_the_exit_code() -> None:
    wrong = InputError([Problem(Position("a.j2", 2), "template-undefined", "`x` is undefined")])
    with pytest.raises(HactlError, match="web1: no route") as caught:
        raise_all([Unreachable("web1", "no route"), wrong])
    assert "a.j2:2:1: template-undefined" in str(caught.value)
    assert caught.value.exit_code == Exit.INPUT


def test_the_same_error_of_many_hosts_is_reported_once() -> None:
    wrong = [
        InputError([Problem(Position("a.j2", 2), "template-undefined", "`x` is undefined")])
        for _ in range(3)
    ]
    with pytest.raises(InputError):
        raise_all(wrong)


def test_different_hosts_are_each_named() -> None:
    with pytest.raises(HactlError) as caught:
        raise_all([HostError("web1", "full"), HostError("web2", "full")])
    assert str(caught.value).splitlines() == ["web1: full", "web2: full"]


def with_joined(serial: int, *due: str) -> list[tuple[str, ...]]:
    run = Rollout(STAGES, serial, "kim@ops", "digest", 7, "2026-01-01T00:00:00Z")
    return list(run.batches(due, [frozenset({"lvs1", "lvs2"})]))


def test_directors_that_would_refuse_each_other_are_one_batch() -> None:
    assert with_joined(0, "lvs1", "lvs2", "web1") == [("web1",), ("lvs2", "lvs1")]
    assert with_joined(1, "lvs1", "lvs2", "web1", "web2") == [
        ("web1",),
        ("web2",),
        ("lvs2", "lvs1"),
    ]


def test_a_director_without_changes_joins_no_batch() -> None:
    assert with_joined(0, "lvs1", "web1") == [("web1",), ("lvs1",)]


def with_alone(serial: int, alone: tuple[str, ...], *due: str) -> list[tuple[str, ...]]:
    run = Rollout(STAGES, serial, "kim@ops", "digest", 7, "2026-01-01T00:00:00Z")
    return list(run.batches(due, (), alone))


def test_hosts_that_change_alone_come_last_in_their_stage_in_the_given_order() -> None:
    due = ("lvs1", "lvs2", "web1", "web2", "web3")
    assert with_alone(0, ("web3", "web1"), *due) == [
        ("web2",),
        ("web3",),
        ("web1",),
        ("lvs2",),
        ("lvs1",),
    ]
    assert with_alone(0, ("web3", "web1", "web2"), *due) == [
        ("web3",),
        ("web1",),
        ("web2",),
        ("lvs2",),
        ("lvs1",),
    ]
    assert with_alone(0, ("web3",), "web1", "lvs1") == [("web1",), ("lvs1",)]


@given(
    st.permutations(["web1", "web2", "web3", "lvs1", "lvs2"]), st.integers(0, 5), st.integers(0, 3)
)
def test_every_due_host_is_in_one_batch_and_some_change_alone(
    hosts: list[str], count: int, serial: int
) -> None:
    due, alone = hosts[count:], tuple(hosts[:3])
    rollout = with_alone(serial, alone, *due)
    assert sorted(host for batch in rollout for host in batch) == sorted(due)
    assert all(len(batch) == 1 for batch in rollout if set(batch) & set(alone))


OPS = [
    Op("stage", ("1", "/etc/keepalived/keepalived.conf", "0640", "root", "root", "")),
    Op("file", ("1", "/etc/keepalived/keepalived.conf", "absent")),
    Op("unit", ("-", "daemon-reload")),
    Op("unit", ("keepalived.service", "reload")),
    Op("unit", ("keepalived.service", "stamp", "/etc/keepalived/keepalived.conf")),
]


def test_the_barrier_is_before_keepalived_loads_its_file() -> None:
    assert with_barrier(OPS) == (*OPS[:3], Op("await"), *OPS[3:])
    assert with_barrier(OPS[:3]) == tuple(OPS[:3]), "nothing reloads Keepalived"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("unit", "keepalived.service", "update", "reload"), True),
        (Change("file", "/etc/keepalived/keepalived.conf", "update"), True),
        (Change("sysctl", "net.ipv4.ip_forward", "update"), True),
        (Change("address", "10.0.0.1/32", "remove"), True),
        (Change("file", "/etc/ipvsadm.rules", "update"), False),
        (Change("package", "ipvsadm", "create"), False),
    ],
)
def test_some_changes_may_disturb_a_director_that_holds_addresses(
    change: Change, expected: bool
) -> None:
    plan = HostPlan("lvs1", (change,), DesiredHost("lvs1"), Observed(Facts(), {}))
    assert reloads_keepalived(plan) is expected
