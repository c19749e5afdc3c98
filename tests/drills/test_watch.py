"""Watching a director: the real agent and a real `ip monitor`; a file stands in for the table."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, cast

import pytest

from provision.core.errors import HostError
from provision.drills.watch import POLL_INTERVAL, Watch
from provision.hosts.agent.fault import traces
from tests.hosts.agent.namespace import Logins, NamespaceHost
from tests.waiting import wait_until

pytestmark = pytest.mark.agent

VIP = "192.168.227.10"
HEAD = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""
BOTH = f"""{HEAD}TCP  C0A8E30A:0050 rr\x20\x20
  -> C0A8E367:0050      Route   1      7          9
  -> C0A8E368:0050      Route   1      2          1
"""
ONE = f"""{HEAD}TCP  C0A8E30A:0050 rr\x20\x20
  -> C0A8E368:0050      Route   1      5          4
"""


def watching(namespace: NamespaceHost) -> Watch:
    """A watcher on one director."""
    return Watch(cast(Any, Logins(namespace)), ["lvs1"])


def traces_of(namespace: NamespaceHost) -> tuple[frozenset[str], tuple[str, ...]]:
    """The traces of drills on the director, and the faults that were undone on the way."""
    return traces(cast(Any, Logins(namespace)), ["lvs1"])["lvs1"]


def write_table(namespace: NamespaceHost, text: str) -> None:
    (namespace.root / "proc/net").mkdir(parents=True, exist_ok=True)
    new = namespace.root / "proc/net/new"
    new.write_text(text)
    new.replace(namespace.root / "proc/net/ip_vs")  # in one step, as in the kernel


def test_changes_of_addresses_and_weights_are_reported(namespace: NamespaceHost) -> None:
    namespace.run("ip", "addr", "add", "192.168.227.101/24", "dev", "eth0")
    write_table(namespace, BOTH)
    began = time.monotonic()
    with watching(namespace) as watch:
        assert watch.holders("192.168.227.101") == ("lvs1",)
        assert watch.holders(VIP) == ()
        assert sorted(watch.latest("lvs1").table.values()) == [1, 1]
        namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
        wait_until(lambda: watch.holders(VIP) == ("lvs1",))
        write_table(namespace, ONE)
        wait_until(lambda: len(watch.latest("lvs1").table) == 1)
        namespace.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0")
        wait_until(lambda: watch.holders(VIP) == ())
        watch.check()
        states = watch.states(began)
    assert [VIP in state.held for state in states] == [False, True, True, False]
    assert [len(state.table) for state in states] == [2, 2, 1, 1]
    assert [state.at for state in states] == sorted(state.at for state in states)


def test_numbers_of_connections_are_no_change(namespace: NamespaceHost) -> None:
    write_table(namespace, BOTH)
    with watching(namespace) as watch:
        write_table(namespace, BOTH.replace("7 ", "8 "))
        time.sleep(3 * POLL_INTERVAL)
        assert len(watch.states(0.0)) == 1


def test_a_watcher_leaves_nothing_behind(namespace: NamespaceHost) -> None:
    write_table(namespace, BOTH)
    before = traces_of(namespace)
    with watching(namespace):
        pass
    wait_until(lambda: traces_of(namespace) == before)


def test_a_running_watcher_is_among_the_traces(namespace: NamespaceHost) -> None:
    (namespace.root / "proc").symlink_to("/proc")
    with watching(namespace):
        assert "process monitor" in traces_of(namespace)[0]


def test_a_lost_watcher_is_reported_and_can_be_restarted(
    namespace: NamespaceHost,
) -> None:
    write_table(namespace, BOTH)
    with watching(namespace) as watch:
        agent = cast(Any, watch._channels["lvs1"])._process.pid
        children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
        for pid in (agent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: bool(watch._lost))
        with pytest.raises(HostError, match="lost during the drill"):
            watch.check()
        watch.restart()
        watch.check()
        namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
        wait_until(lambda: watch.holders(VIP) == ("lvs1",))


def test_a_director_that_is_cut_off_holds_no_address(namespace: NamespaceHost) -> None:
    namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    write_table(namespace, BOTH)
    with watching(namespace) as watch:
        assert watch.holders(VIP) == ("lvs1",)
        watch.gone("lvs1", time.monotonic())
        assert watch.holders(VIP) == ()
        watch.check()
