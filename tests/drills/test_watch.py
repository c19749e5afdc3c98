"""Watching a director: the real agent beside a real `ip monitor`; the table is a file in the kernel's format."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.drills.watch import Watch
from provision.hosts.agent.fault import traces
from tests.hosts.agent.namespace import Logins, NamespaceHost

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


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def table(namespace: NamespaceHost, text: str) -> None:
    (namespace.root / "proc/net").mkdir(parents=True, exist_ok=True)
    new = namespace.root / "proc/net/new"
    new.write_text(text)
    new.replace(namespace.root / "proc/net/ip_vs")  # at once, as the kernel changes it


def test_addresses_and_weights_as_they_change(namespace: NamespaceHost) -> None:
    namespace.run("ip", "addr", "add", "192.168.227.101/24", "dev", "eth0")
    table(namespace, BOTH)
    began = time.monotonic()
    with Watch(Logins(namespace), ["lvs1"]) as watch:  # type: ignore[arg-type]
        assert watch.holders("192.168.227.101") == ("lvs1",)
        assert watch.holders(VIP) == ()
        assert sorted(watch.now("lvs1").table.values()) == [1, 1]
        namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
        assert eventually(lambda: watch.holders(VIP) == ("lvs1",))
        table(namespace, ONE)
        assert eventually(lambda: len(watch.now("lvs1").table) == 1)
        namespace.run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0")
        assert eventually(lambda: watch.holders(VIP) == ())
        watch.check()
        sights = watch.sights(began)
    assert [VIP in sight.held for sight in sights] == [False, True, True, False]
    assert [len(sight.table) for sight in sights] == [2, 2, 1, 1]
    assert [sight.at for sight in sights] == sorted(sight.at for sight in sights)


def test_connections_that_come_and_go_are_no_change(namespace: NamespaceHost) -> None:
    table(namespace, BOTH)
    with Watch(Logins(namespace), ["lvs1"]) as watch:  # type: ignore[arg-type]
        table(namespace, BOTH.replace("7 ", "8 "))
        time.sleep(0.6)
        assert len(watch.sights(0.0)) == 1


def test_nothing_of_it_stays(namespace: NamespaceHost) -> None:
    table(namespace, BOTH)
    before = traces(Logins(namespace), ["lvs1"])  # type: ignore[arg-type]
    with Watch(Logins(namespace), ["lvs1"]):  # type: ignore[arg-type]
        pass
    assert eventually(lambda: traces(Logins(namespace), ["lvs1"]) == before)  # type: ignore[arg-type]


def test_a_watcher_that_stayed_would_be_seen(namespace: NamespaceHost) -> None:
    (namespace.root / "proc").symlink_to("/proc")
    with Watch(Logins(namespace), ["lvs1"]):  # type: ignore[arg-type]
        assert "process monitor" in traces(Logins(namespace), ["lvs1"])["lvs1"][0]  # type: ignore[arg-type]


def test_a_watcher_that_is_lost_is_noticed_and_can_be_started_again(
    namespace: NamespaceHost,
) -> None:
    table(namespace, BOTH)
    with Watch(Logins(namespace), ["lvs1"]) as watch:  # type: ignore[arg-type]
        agent = watch._channels["lvs1"]._process.pid  # type: ignore[attr-defined]
        children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
        for pid in (agent, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: bool(watch._lost))
        with pytest.raises(HostError, match="lost in mid-drill"):
            watch.check()
        watch.restart()
        watch.check()
        namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
        assert eventually(lambda: watch.holders(VIP) == ("lvs1",))


def test_a_director_without_power_holds_nothing(namespace: NamespaceHost) -> None:
    namespace.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    table(namespace, BOTH)
    with Watch(Logins(namespace), ["lvs1"]) as watch:  # type: ignore[arg-type]
        assert watch.holders(VIP) == ("lvs1",)
        watch.gone("lvs1", time.monotonic())
        assert watch.holders(VIP) == ()
        watch.check()
