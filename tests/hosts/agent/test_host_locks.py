"""Drills and deploys keep each other out: the lock of a host, from both sides, on real agents under several shells."""

from __future__ import annotations

from typing import Any, cast

import pytest

from provision.core.errors import Exit, Locked
from provision.hosts.agent import host_locks
from provision.hosts.agent.host_locks import HostLocks
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import prepare
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import Logins
from tests.hosts.agent.scenario import wait_until

pytestmark = pytest.mark.agent

PAYLOAD = build_payload([Op("sysctl", ("net.ipv4.ip_forward", "1"))])
DRILLS = "kim@ops (failover-test)"


def held(host: LocalHost, who: str = DRILLS) -> HostLocks:
    return HostLocks(cast(Any, Logins(host)), ("web1",), who)


def test_a_deploy_during_drills_is_refused_and_told_of_them(host: LocalHost) -> None:
    with (
        held(host),
        pytest.raises(
            Locked, match=r"locked by kim@ops \(failover-test\) since .*, still running"
        ) as no,
    ):
        prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    assert no.value.exit_code == Exit.LOCKED
    assert not host.exists("run/hactl/lock"), "and the host is free when they have ended"
    prepare(host, PAYLOAD, "ops@desk", "3f2a", 60).roll_back()


def test_drills_during_a_deploy_are_refused_and_told_of_it(host: LocalHost) -> None:
    transaction = prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    with pytest.raises(Locked, match=r"locked by ops@desk since .*, still running"), held(host):
        pass
    transaction.roll_back()


def test_a_second_run_of_drills_is_refused_too(host: LocalHost) -> None:
    with (
        held(host),
        pytest.raises(Locked, match="failover-test"),
        held(host, "ops@desk (failover-test)"),
    ):
        pass


def test_after_a_controller_that_died_the_host_is_free(host: LocalHost) -> None:
    run = held(host).__enter__()
    run._over.set()
    run._channels["web1"].close()
    wait_until(lambda: not host.exists("run/hactl/lock"))


def test_a_host_that_was_lost_is_taken_again(host: LocalHost) -> None:
    with held(host) as run:
        host.channels[-1].kill()
        host.channels[-1].process.wait()

        def taken_again() -> bool:
            """A word may still be taken by what the agent had only just started beside itself."""
            run.renew()
            return len(host.channels) > 1

        wait_until(taken_again)
        with pytest.raises(Locked, match="failover-test"):
            prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    assert not host.exists("run/hactl/lock")


def test_a_host_that_hears_nothing_lets_go(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection was cut on the way: no end of it comes here. With words it stays."""
    text = (
        host_locks.program("hold").replace("SILENCE=60", "SILENCE=1").replace("EVERY=5", "EVERY=1")
    )
    monkeypatch.setattr(host_locks, "program", lambda _: text)
    monkeypatch.setattr(host_locks, "HEARTBEAT_INTERVAL", 0.2)
    with held(host) as run:
        with pytest.raises(AssertionError):
            wait_until(lambda: not host.exists("run/hactl/lock"), 2.5)
        run._over.set()
        wait_until(lambda: not host.exists("run/hactl/lock"))
