"""The roll agent under several shells: the lock, the mark that outlives it, the restart."""

from __future__ import annotations

import re

import pytest

from provision.core.errors import HostError, Locked
from provision.hosts.agent.locked_host import UNIT, LockedHost
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

MARK = "var/lib/hactl/kafka-roll"


@pytest.fixture
def node(host: LocalHost) -> LocalHost:
    host.unit(UNIT)
    return host


def test_it_says_which_process_runs(node: LocalHost) -> None:
    with LockedHost(node, "ops@desk") as held:
        assert (held.unit.invocation, held.unit.active, held.unit.mark) == ("inv77", True, None)
        assert not held.unit.rolled


def test_a_restart_makes_a_marked_process_a_rolled_one(node: LocalHost) -> None:
    with LockedHost(node, "ops@desk") as held:
        assert not held.mark().rolled
        held.restart()
        assert held.look().rolled
    assert f"restart {UNIT}" in node.calls()


def test_the_mark_outlives_the_controller_and_names_who_began(node: LocalHost) -> None:
    with LockedHost(node, "ops@desk") as held:
        held.mark()
    with LockedHost(node, "kim@elsewhere") as held:
        mark = held.unit.mark
        assert mark and (mark.invocation, mark.who) == ("inv77", "ops@desk")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", mark.when)
        held.unmark()
        assert held.look().mark is None
    assert not node.exists(MARK)


def test_a_node_that_never_ran_is_rolled_once_it_does(host: LocalHost) -> None:
    with LockedHost(host, "ops@desk") as held:
        assert not held.unit.active
        assert not held.mark().rolled
        host.unit(UNIT, active="")
        held.restart()
        assert held.look().rolled


def test_while_one_holds_it_another_does_not_get_it(node: LocalHost) -> None:
    with (
        LockedHost(node, "ops@desk"),
        pytest.raises(Locked, match=r"locked by ops@desk since .*, still running"),
    ):
        LockedHost(node, "kim@elsewhere")
    with LockedHost(node, "kim@elsewhere"):
        pass


def test_the_lock_goes_with_the_connection_and_whatever_was_begun_goes_on(node: LocalHost) -> None:
    held = LockedHost(node, "ops@desk")
    held._channel.send(b"restart\n")
    held._channel.close()
    node.channels[-1].process.wait(10)
    assert not node.exists("run/hactl/lock")
    assert f"restart {UNIT}" in node.calls()


def test_a_unit_that_does_not_start_is_told(node: LocalHost) -> None:
    node.command("systemctl", "#!/bin/sh\n[ $1 = show ] || { echo no >&2; exit 1; }\n")
    node.command("journalctl", "#!/bin/sh\necho out of memory\n")
    with (
        LockedHost(node, "ops@desk") as held,
        pytest.raises(HostError, match=r"restart kafka.service failed: out of"),
    ):
        held.restart()


def test_a_full_disk_is_told_before_anything_is_restarted(node: LocalHost) -> None:
    node.command("mktemp", "#!/bin/sh\nexit 1\n")
    with (
        LockedHost(node, "ops@desk") as held,
        pytest.raises(HostError, match=r"cannot write .*kafka-roll: is the disk"),
    ):
        held.mark()
    assert node.calls() == []


def test_a_deploy_that_was_cut_off_is_ended_first(node: LocalHost) -> None:
    node.write("var/lib/hactl/run-abcdef/run", "kim@desk\x1f2026-11-22T08:00:00Z\x1f\x1f\x1f\n")
    with pytest.raises(
        Locked, match=r"a run of kim@desk since 2026-11-22T08:00:00Z was interrupted in mid-apply"
    ):
        LockedHost(node, "ops@desk")
    assert not node.exists("run/hactl/lock")
