"""A host rolls back by itself after its login is killed, its power is cut, or it is rebooted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from provision.deploy.operations import operations
from provision.deploy.plan import plan_host
from provision.deploy.project import load
from provision.hosts.agent.observe import observe
from provision.hosts.agent.payload import build_payload
from provision.hosts.agent.transaction import Transaction, prepare
from provision.hosts.ssh import SshSession, connect
from tests.e2e import model
from tests.e2e.conftest import NAME
from tests.e2e.site import SNAPSHOT, Site, difference
from tests.waiting import wait_until

HOST = "web1"


def kill_login(site: Site) -> None:
    """Kill all processes of the login at once, as a login manager does."""
    pid = r"""p=$(cut -d "$(printf '\037')" -f 3 /run/hactl/lock/owner)"""
    site.ssh(HOST, f'{pid}; kill -9 "-$(ps -o pgid= -p "$p" | tr -d " ")"')


def cut_power(site: Site) -> None:
    site.forget(HOST)
    site.lab("cut", HOST)
    site.lab("boot", HOST)


def reboot(site: Site) -> None:
    started = site.ssh(HOST, "ps -o lstart= -p 1")
    site.ssh(HOST, "systemctl reboot", check=False)
    site.forget(HOST)
    wait_until(
        lambda: site.ssh(HOST, "ps -o lstart= -p 1", check=False) not in ("", started),
        60,
        0.3,
        f"{HOST} comes back",
    )


def look(site: Site) -> list[str]:
    """The state of the host, without the facts that change with each start of a process."""
    lines = site.ssh(HOST, SNAPSHOT, check=False).splitlines()
    return sorted(
        line
        for line in lines
        if not line.startswith(("MainPID=", "InvocationID=", "/run/hactl/loaded"))
    )


def begin(site: Site) -> tuple[SshSession, Transaction]:
    """Apply the inventory to one host, and leave it unconfirmed."""
    project = load(site.inventory)
    session = connect(project.targets((HOST,))[HOST])
    plan = plan_host(*observe(session, lambda facts: project.render(HOST, facts)), frozenset())
    generation = plan.generation(99, "kim@ops", "2026-01-01T00:00:00Z", "d1ge57")
    payload = build_payload(*operations(plan, generation))
    transaction = prepare(session, payload, "kim@ops", "d1ge57", 60, 99, generation.counts)
    transaction.apply()
    return session, transaction


@pytest.mark.parametrize("fault", [kill_login, cut_power, reboot])
def test_an_unconfirmed_host_rolls_back(site: Site, fault: Callable[[Site], None]) -> None:
    before = look(site)
    site.write(model.busy(model.base(NAME)))
    session, _ = begin(site)
    assert look(site) != before
    started = time.monotonic()
    fault(site)
    session.close()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: look(site) == before, 60, 0.3)
    print(f"rolled back after {time.monotonic() - started:.1f} s")
    assert not difference({HOST: before}, {HOST: look(site)})
    assert "generation=99" in site.ssh(HOST, "tail -n 1 /var/log/hactl.log")
    site.write(model.base(NAME))
    site.assert_in_step("--limit", HOST)


def test_a_rollback_restores_the_generation_before(site: Site) -> None:
    before = look(site)
    site.write(model.busy(model.base(NAME)))
    site.deploy("--limit", HOST)
    assert look(site) != before
    done = site.hactl("rollback", "--yes", "--json", "--limit", HOST)
    assert done.code == 0 and done.json["hosts"][HOST]["outcome"] == "changed", done
    generations = site.hactl("history", "--json", "--host", HOST).json["hosts"][HOST]
    assert generations[-1]["note"] == f"rollback to {generations[-3]['generation']}"
    assert generations[-1]["current"]
    site.write(model.base(NAME))
    site.assert_in_step("--limit", HOST)
