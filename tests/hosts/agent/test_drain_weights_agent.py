"""Servers that leave get the weight 0, and their weights back if the controller is gone."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from types import MappingProxyType

import pytest

from provision.core.facts import Facts, Interface
from provision.deploy.drift import RULES
from provision.deploy.plan import HostPlan, plan_host
from provision.deploy.server_removal import RemovedServer, ServerRemoval, removed_servers
from provision.desired.items import DesiredHost, File, VirtualService
from provision.hosts.agent import program
from provision.hosts.agent.observe import Observed, ObservedItem
from tests.hosts.agent.local import LocalHost
from tests.hosts.told import Told

pytestmark = pytest.mark.agent

VIP = "-t 192.168.227.10:80"
OLD = f"# ours\n-A {VIP} -s mh -b mh-fallback\n" + "".join(
    f"-a {VIP} -r 10.0.0.{n}:80 -g -w {n} -x 9\n" for n in (1, 2, 3)
)

#: A table of one line a server, `PLACE WEIGHT ACTIVE`; -e changes a weight, and is written down.
IPVSADM = rf"""#!/bin/sh
table=$HACTL_ROOT/table
case $1 in
-Sn)
    echo "-A {VIP} -s mh"
    while read -r place weight _; do echo "-a {VIP} -r $place -g -w $weight"; done <"$table" ;;
-Ln)
    echo "TCP  192.168.227.10:80 mh"
    while read -r place weight active; do
        echo "  -> $place Route $weight $active 7"
    done <"$table" ;;
-e)
    echo "$*" >>"$HACTL_ROOT/edits"
    grep -q "^$5 " "$table" || exit 1
    while read -r place weight active; do
        [ "$place" != "$5" ] || weight=$8
        echo "$place $weight $active"
    done <"$table" >"$table.new"
    mv "$table.new" "$table" ;;
*) exit 9 ;;
esac
"""


def plan(old: str, new: str, path: str = RULES[0]) -> HostPlan:
    was = ObservedItem(
        "file", path, {"sha256": "", "mode": "0640", "owner": "root", "group": "root"}, old.encode()
    )
    facts = Facts(interfaces=(Interface("eth0", ("10.0.0.9/24", "192.168.227.10/32")),))
    observed = Observed(facts, MappingProxyType({("file", path): was}))
    return plan_host(DesiredHost("web1", (File(path, new.encode()),)), observed, frozenset())


def without(number: int, text: str = OLD) -> str:
    return "".join(line for line in text.splitlines(True) if f"10.0.0.{number}:" not in line)


@pytest.fixture
def director(host: LocalHost) -> LocalHost:
    host.command("ipvsadm", IPVSADM)
    host.write("table", "10.0.0.1:80 1 4\n10.0.0.2:80 2 2\n10.0.0.3:80 3 0\n")
    return host


def weights(host: LocalHost) -> list[int]:
    return [int(line.split()[1]) for line in host.read("table").splitlines()]


def ended(host: LocalHost) -> None:
    host.channels[-1].process.wait(5)


@pytest.mark.parametrize("path", RULES)
def test_who_leaves_is_who_is_in_the_installed_rules_alone(path: str) -> None:
    assert removed_servers(plan(OLD, without(2), path)) == (
        RemovedServer(VIP, "10.0.0.2:80", "-r 10.0.0.2:80 -g -w 2 -x 9"),
    )
    assert removed_servers(plan(without(2), OLD, path)) == ()


def test_nobody_is_eased_where_nobody_stays() -> None:
    """If a port changes on all servers, or a service ends, new connections have no other server."""
    assert removed_servers(plan(OLD, OLD.replace(":80 -g", ":81 -g"))) == ()
    assert removed_servers(plan(OLD, "# ours\n")) == ()
    assert removed_servers(plan(OLD.replace(" -b mh-fallback", ""), without(3))) == (), (
        "its clients would be refused"
    )
    only_drained = without(3, without(2)).replace("-w 1", "-w 0")
    assert removed_servers(plan(OLD, only_drained)) == ()


def test_it_has_weight_0_while_the_rest_goes_on_and_gets_nothing_back_once_it_is_gone(
    director: LocalHost,
) -> None:
    with ServerRemoval({"web1": plan(OLD, without(3))}, {"web1": director}, Told()) as departure:
        assert departure.due(["web1", "web2"]) and not departure.due(["web2"])
        departure.drain()
        assert weights(director) == [1, 2, 0]
        assert not departure.due(["web1"]), "once"
        departure.finish("ops@desk", "3f2a")
    ended(director)
    assert weights(director) == [1, 2, 0]
    assert director.read("edits") == f"-e {VIP} -r 10.0.0.3:80 -g -w 0 -x 9\n"


@pytest.mark.parametrize("how", ["the block ends", "an error", "the connection"])
def test_however_else_it_ends_it_has_its_weight_again(director: LocalHost, how: str) -> None:
    try:
        with ServerRemoval(
            {"web1": plan(OLD, without(3))}, {"web1": director}, Told()
        ) as departure:
            departure.drain()
            assert weights(director) == [1, 2, 0]
            if how == "an error":
                raise RuntimeError
            if how == "the connection":
                director.channels[-1].close()
    except RuntimeError:
        assert how == "an error"
    ended(director)
    assert weights(director) == [1, 2, 3]


def test_what_somebody_drained_stays_drained(director: LocalHost) -> None:
    director.write("table", "10.0.0.1:80 1 4\n10.0.0.3:80 0 0\n")
    with ServerRemoval({"web1": plan(OLD, without(3))}, {"web1": director}, Told()) as departure:
        departure.drain()
    ended(director)
    assert weights(director) == [1, 0] and not director.exists("edits")


def test_its_connections_are_waited_for_and_no_others(director: LocalHost) -> None:
    told, began = Told(), time.monotonic()
    with ServerRemoval(
        {"web1": plan(OLD, without(2))}, {"web1": director}, told, timeout=1
    ) as departure:
        departure.drain()
    assert told.lines == [
        "waiting for 2 connections of the removed servers",
        "2 connections of the removed servers did not end within 1 s",
    ]
    assert time.monotonic() - began < 10


def test_whoever_interrupts_it_does_not_wait(director: LocalHost) -> None:
    began = time.monotonic()
    with ServerRemoval({"web1": plan(OLD, without(2))}, {"web1": director}, Told()) as departure:
        departure.drain(lambda: True)
    assert time.monotonic() - began < 10


def test_the_drain_of_a_server_that_is_gone_is_forgotten(director: LocalHost) -> None:
    """Or it would still be drained when it comes back one day."""
    director.write("var/lib/hactl/drain/web9", "-2147483647 ops@desk 2026-11-22T08:00:00Z\n")
    director.write("var/lib/hactl/drain/web1", "-2147483647 ops@desk 2026-11-22T08:00:00Z\n")
    there = VirtualService(VIP, "-s rr", ("web1 10.0.0.1:80 -g -w 1",))
    drained = {"web1": "ops@desk", "web9": "ops@desk", ".": "ops@desk"}
    observed = Observed(Facts(), MappingProxyType({}), drained=drained)
    plans = {"web1": plan_host(DesiredHost("web1", (there,)), observed, frozenset())}
    with ServerRemoval(plans, {"web1": director}, Told()) as departure:
        departure.finish("ops@desk", "3f2a")
    assert director.read("var/lib/hactl/drain/web9") == "0\n"
    assert director.read("var/lib/hactl/drain/web1").startswith("-2147483647 ")


def test_where_nobody_leaves_no_exec_is_spent(director: LocalHost) -> None:
    with ServerRemoval({"web1": plan(OLD, OLD)}, {"web1": director}, Told()) as departure:
        assert not departure.due(["web1"])
    assert director.execs == 0


def test_shellcheck_has_nothing_to_say(tmp_path: Path) -> None:
    parts = "shell=sh disable=SC2034,SC2086,SC2154"
    (tmp_path / "agent.sh").write_text(program("leave").replace(parts, "shell=sh disable=SC2086"))
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "install shellcheck"
    shown = subprocess.run(
        [shellcheck, str(tmp_path / "agent.sh")], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout) == (0, "")
