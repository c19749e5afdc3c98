"""Faults: injected on command; undone by command, end of input, the guard, or the next run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from provision.core.errors import HostError, Locked
from provision.hosts.agent import program
from provision.hosts.agent.fault import Fault, FaultSpec, traces
from provision.hosts.protocol import encode_line
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import Logins, NamespaceHost, Unreachable

pytestmark = pytest.mark.agent

STOP = ("unit-stop", ("nginx.service",))


def fault(
    host: object, kind: str = "unit-stop", *arguments: str, limit: int = 60, name: str = "drill-web"
) -> Fault:
    return Fault(Logins(host), name, FaultSpec("web1", kind, arguments or STOP[1]), limit)  # type: ignore[arg-type]


def orphaned(host: LocalHost) -> Fault:
    """A fault that is in force, its agent killed: only its guard is left."""
    host.unit("nginx.service")
    injected = fault(host)
    injected.arm()
    injected.inject()
    host.channels[-1].kill()
    host.channels[-1].process.wait()
    return injected


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_up(host: LocalHost, unit: str = "nginx.service") -> bool:
    return host.exists(f"units/{unit}/active")


def nothing_left(host: Any) -> bool:
    return not (host.root / "run/hactl/fault").exists()


def test_a_fault_is_injected_on_the_word_and_undone_on_the_word(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host)
    injected.arm()
    assert is_up(host), "arming changes nothing"
    before = time.monotonic()
    assert before <= injected.inject() <= time.monotonic()
    assert not is_up(host)
    injected.undo()
    assert is_up(host)
    assert nothing_left(host)


def test_undoing_twice_or_what_was_never_armed_does_no_harm(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host)
    injected.undo()
    injected.arm()
    injected.undo()
    injected.undo()
    assert is_up(host)
    assert host.calls() == [], "nothing was injected, so that nothing had to be undone"


def test_an_interrupted_injection_is_undone_all_the_same(host: LocalHost) -> None:
    """Ctrl-C between the word and its answer."""
    host.unit("nginx.service")
    injected = fault(host)
    injected.arm()
    host.channels[-1].send(encode_line("go"))
    injected.undo()
    assert is_up(host)
    assert nothing_left(host)


def test_a_dead_connection_undoes_it(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host)
    injected.arm()
    injected.inject()
    host.channels[-1].close()
    assert eventually(lambda: is_up(host) and nothing_left(host))


def test_the_guard_undoes_it_when_everything_else_is_killed(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host, limit=1)
    injected.arm()
    injected.inject()
    host.channels[-1].kill()
    assert not is_up(host)
    assert eventually(lambda: is_up(host) and nothing_left(host), 8)


def test_a_guard_that_came_first_is_told(host: LocalHost) -> None:
    """The figures of such a drill mean nothing: the fault was not there all the time."""
    host.unit("nginx.service")
    injected = fault(host, limit=1)
    injected.arm()
    injected.inject()
    assert eventually(lambda: is_up(host) and nothing_left(host))
    with pytest.raises(HostError, match="the guard undid the fault after 1 s"):
        injected.undo()


def test_the_guard_ends_with_the_fault(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host, limit=600)
    injected.arm()
    guard = int(host.read("run/hactl/fault/drill-web/guard"))
    os.kill(guard, 0)
    injected.undo()

    def dead() -> bool:
        try:
            os.kill(guard, 0)
        except ProcessLookupError:
            return True
        return False

    assert eventually(dead)


def test_what_a_dead_run_left_is_undone_first(host: LocalHost) -> None:
    host.unit("nginx.service")
    host.unit("php.service")
    dead = fault(host, "unit-stop", "php.service", name="old-web")
    dead.arm()
    dead.inject()
    guard = int(host.read("run/hactl/fault/old-web/guard"))
    host.channels[-1].kill()
    host.channels[-1].process.wait()
    os.kill(guard, 9)
    assert not is_up(host, "php.service")

    injected = fault(host)
    injected.arm()
    assert injected.leftovers == ("old-web",)
    assert is_up(host, "php.service")
    injected.undo()
    assert nothing_left(host)


def test_a_host_that_another_run_is_breaking_is_left_alone(host: LocalHost) -> None:
    host.unit("nginx.service")
    first = fault(host, name="first-web")
    first.arm()
    first.inject()
    with pytest.raises(Locked, match="first-web"):
        fault(host, name="second-web").arm()
    with pytest.raises(Locked, match="first-web"):
        traces(Logins(host), ["web1"])  # type: ignore[arg-type]
    assert not is_up(host)
    first.undo()
    assert is_up(host)


def test_a_lost_connection_is_made_up_for_by_another(host: LocalHost) -> None:
    injected = orphaned(host)
    assert not is_up(host)
    injected.undo()
    assert is_up(host)
    assert nothing_left(host)


def test_without_another_connection_the_guard_is_named(host: LocalHost) -> None:
    injected = orphaned(host)
    injected._sessions.host = Unreachable()  # type: ignore[attr-defined]
    with pytest.raises(HostError, match="the guard on web1 undoes it within 60 s"):
        injected.undo()


def test_a_fault_that_does_not_take_hold_says_so_and_changes_nothing(host: LocalHost) -> None:
    host.unit("nginx.service", active="")
    injected = fault(host)
    injected.arm()
    with pytest.raises(
        HostError, match=r"unit-stop could not be injected: nginx.service is not running"
    ):
        injected.inject()
    assert host.calls() == []
    assert eventually(lambda: nothing_left(host))


def test_a_flapping_unit_is_up_in_the_end(host: LocalHost) -> None:
    host.unit("nginx.service")
    injected = fault(host, "unit-flap", "nginx.service", "3", "0.05")
    injected.arm()
    injected.inject()
    injected.finish()
    injected.undo()
    assert host.calls() == ["stop nginx.service", "start nginx.service"] * 3
    assert is_up(host)


def test_a_hand_over_file_gets_its_bytes_back(host: LocalHost) -> None:
    path = "/var/lib/hactl/handover/web"
    host.write(path, "0\n")
    injected = fault(host, "file-write", path, "11")
    injected.arm()
    injected.inject()
    assert host.read(path) == "11\n"
    injected.undo()
    assert host.read(path) == "0\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "/var/lib/hactl/handover/../../../../etc/passwd"])
def test_no_other_file_can_be_written(host: LocalHost, path: str) -> None:
    host.write("/etc/passwd", "root\n")
    injected = fault(host, "file-write", path, "11")
    injected.arm()
    with pytest.raises(HostError, match="is no hand-over file"):
        injected.inject()
    assert host.read("/etc/passwd") == "root\n"


def test_words_that_a_shell_could_act_on_are_data(host: LocalHost) -> None:
    injected = fault(host, "unit-stop", "$(touch $HACTL_ROOT/owned); `touch $HACTL_ROOT/owned` *")
    injected.arm()
    with pytest.raises(HostError, match="is not running"):
        injected.inject()
    assert not host.exists("owned")


def test_an_address_comes_back_with_its_label_and_flags(namespace: NamespaceHost) -> None:
    namespace.run("ip", "addr", "add", "192.0.2.10/32", "dev", "lo", "label", "lo:0")
    namespace.run("ip", "addr", "add", "2001:db8::10/128", "dev", "lo", "preferred_lft", "0")
    before = namespace.run("ip", "-o", "addr", "show", "dev", "lo")
    for cidr, label in (("192.0.2.10/32", "lo:0"), ("2001:db8::10/128", "lo")):
        injected = fault(namespace, "address-del", cidr, "lo", label)
        injected.arm()
        injected.inject()
        assert cidr not in namespace.run("ip", "-o", "addr", "show", "dev", "lo")
        injected.undo()
    assert sorted(namespace.run("ip", "-o", "addr", "show", "dev", "lo").splitlines()) == sorted(
        before.splitlines()
    )


def test_a_vrrp_block_is_a_table_of_its_own_and_goes_again(namespace: NamespaceHost) -> None:
    namespace.run("nft", "add", "table", "inet", "filter")
    injected = fault(namespace, "vrrp-block", "-")
    injected.arm()
    injected.inject()
    rules = namespace.run("nft", "list", "ruleset")
    assert "table inet hactl_drill" in rules
    assert "224.0.0.18 drop" in rules
    injected.undo()
    assert namespace.run("nft", "list", "tables").split() == ["table", "inet", "filter"]


def test_traces_name_what_a_drill_could_leave(namespace: NamespaceHost) -> None:
    quiet = traces(Logins(namespace), ["lvs1"])["lvs1"]  # type: ignore[arg-type]
    namespace.run("nft", "add", "table", "inet", "hactl_drill")
    (namespace.root / "run/hactl").mkdir(parents=True, exist_ok=True)
    (namespace.root / "run/hactl/forgotten").touch()
    noisy = traces(Logins(namespace), ["lvs1"])["lvs1"]  # type: ignore[arg-type]
    assert {trace for trace in noisy[0] - quiet[0] if "process" not in trace} == {
        "table table inet hactl_drill",
        "file /run/hactl/forgotten",
    }


def test_an_agent_that_is_asked_nothing_does_nothing(host: LocalHost) -> None:
    before = host.snapshot()
    channel = host.run_agent(program("fault"))
    channel.send(encode_line("dance"))
    assert channel.read_line() == b"failed\x1fnothing was asked\n"
    assert host.snapshot() == before
