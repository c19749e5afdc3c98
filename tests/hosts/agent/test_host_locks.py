"""The lock of a host: drills and deploys exclude each other. Real agents, several shells."""

from __future__ import annotations

from typing import Any, cast

import pytest

from provision.core.errors import Exit, Locked
from provision.hosts.agent import host_locks, program
from provision.hosts.agent.host_locks import HostLocks
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import prepare
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import Logins
from tests.waiting import wait_until

pytestmark = pytest.mark.agent

PAYLOAD = build_payload([Op("sysctl", ("net.ipv4.ip_forward", "1"))])
DRILLS = "kim@ops (failover-test)"


def locks(host: LocalHost, who: str = DRILLS) -> HostLocks:
    return HostLocks(cast(Any, Logins(host)), ("web1",), who)


def test_a_deploy_during_drills_is_refused_and_told_of_them(host: LocalHost) -> None:
    with (
        locks(host),
        pytest.raises(
            Locked, match=r"locked by kim@ops \(failover-test\) since .*, still running"
        ) as refusal,
    ):
        prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    assert refusal.value.exit_code == Exit.LOCKED
    assert not host.exists("run/hactl/lock"), "and the host is free when they have ended"
    prepare(host, PAYLOAD, "ops@desk", "3f2a", 60).roll_back()


def test_drills_during_a_deploy_are_refused_and_told_of_it(host: LocalHost) -> None:
    transaction = prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    with pytest.raises(Locked, match=r"locked by ops@desk since .*, still running"), locks(host):
        pass
    transaction.roll_back()


def test_a_second_run_of_drills_is_refused_too(host: LocalHost) -> None:
    with (
        locks(host),
        pytest.raises(Locked, match="failover-test"),
        locks(host, "ops@desk (failover-test)"),
    ):
        pass


def test_after_a_controller_that_died_the_host_is_free(host: LocalHost) -> None:
    run = locks(host).__enter__()
    run._stopped.set()
    run._channels["web1"].close()
    wait_until(lambda: not host.exists("run/hactl/lock"))


def test_a_host_that_was_lost_is_locked_again(host: LocalHost) -> None:
    with locks(host) as run:
        host.channels[-1].kill()
        host.channels[-1].process.wait()

        def is_locked_again() -> bool:
            """A child of the dead agent may still read a heartbeat: one try may not do."""
            run.renew()
            return len(host.channels) > 1

        wait_until(is_locked_again)
        with pytest.raises(Locked, match="failover-test"):
            prepare(host, PAYLOAD, "ops@desk", "3f2a", 60)
    assert not host.exists("run/hactl/lock")


def test_a_host_that_hears_nothing_unlocks_itself(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent sees no end of a connection that was cut. With words the host stays locked."""
    text = (
        program("hold")
        .replace("SILENCE_TIMEOUT=60", "SILENCE_TIMEOUT=1")
        .replace("POLL_INTERVAL=5", "POLL_INTERVAL=1")
    )
    monkeypatch.setattr(host_locks, "program", lambda _: text)
    monkeypatch.setattr(host_locks, "HEARTBEAT_INTERVAL", 0.2)
    with locks(host) as run:
        with pytest.raises(AssertionError):
            wait_until(lambda: not host.exists("run/hactl/lock"), 2.5)
        run._stopped.set()
        wait_until(lambda: not host.exists("run/hactl/lock"))
