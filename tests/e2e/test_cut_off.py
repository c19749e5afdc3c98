"""A host that is cut off in mid-apply - its login killed, its power cut, rebooted - comes back by itself."""

from __future__ import annotations

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
from tests.e2e.site import SNAPSHOT, Site, difference, patiently

HOST = "web1"


def kill_login(site: Site) -> None:
    """As a login manager does: all that belongs to it, at once."""
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
    for _ in patiently(60):
        if site.ssh(HOST, "ps -o lstart= -p 1", check=False) not in ("", started):
            return
    raise AssertionError(f"{HOST} did not come back")


def look(site: Site) -> list[str]:
    """The host, without what each start of a process gives it anew."""
    lines = site.ssh(HOST, SNAPSHOT, check=False).splitlines()
    return sorted(
        line
        for line in lines
        if not line.startswith(("MainPID=", "InvocationID=", "/run/hactl/loaded"))
    )


def begin(site: Site) -> tuple[SshSession, Transaction]:
    """Apply the inventory to the one host, and leave it unconfirmed."""
    project = load(site.inventory)
    session = connect(project.targets((HOST,))[HOST])
    plan = plan_host(*observe(session, lambda facts: project.render(HOST, facts)), frozenset())
    kept = plan.generation(99, "kim@ops", "2026-01-01T00:00:00Z", "d1ge57")
    transaction = prepare(
        session, build_payload(*operations(plan, kept)), "kim@ops", "d1ge57", 60, 99, kept.counts
    )
    transaction.apply()
    return session, transaction


@pytest.mark.parametrize("way", [kill_login, cut_power, reboot])
def test_it_is_as_it_was(site: Site, way: Callable[[Site], None]) -> None:
    before = look(site)
    site.write(model.busy(model.base(NAME)))
    session, _ = begin(site)
    assert look(site) != before
    began = time.monotonic()
    way(site)
    session.close()
    for _ in patiently(60):
        if look(site) == before:
            break
    print(f"as it was after {time.monotonic() - began:.1f} s")
    assert not difference({HOST: before}, {HOST: look(site)})
    assert "generation=99" in site.ssh(HOST, "tail -n 1 /var/log/hactl.log")
    site.write(model.base(NAME))
    site.assert_in_step("--limit", HOST)


def test_a_rollback_brings_the_generation_before_back(site: Site) -> None:
    before = look(site)
    site.write(model.busy(model.base(NAME)))
    site.deploy("--limit", HOST)
    assert look(site) != before
    done = site.hactl("rollback", "--yes", "--json", "--limit", HOST)
    assert done.code == 0 and done.json["hosts"][HOST]["outcome"] == "changed", done
    kept = site.hactl("history", "--json", "--host", HOST).json["hosts"][HOST]
    assert kept[-1]["note"] == f"rollback to {kept[-3]['generation']}" and kept[-1]["current"]
    site.write(model.base(NAME))
    site.assert_in_step("--limit", HOST)
