"""Rollouts on real directors, under load: nobody notices a change, and a bad one is taken back before it hurts.

Directors are containers with a real systemd, sshd and Keepalived; their VIP is asked for a page every 5 ms.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provision.core.errors import Exit
from tests import REPOSITORY
from tests.deploy.containers.containers import DIRECTORS, OTHER, VIP, Site
from tests.deploy.containers.watching import Course, watched

pytestmark = [pytest.mark.proof, pytest.mark.timeout(120)]

SLACK = 0.15
"""Seconds by which a takeover may be late on a busy machine."""

ADVERTS = ("advert_int: 0.2", "advert_int: 0.25")
VRID = ("virtual_router_id: 10", "virtual_router_id: 20")
ADDED = (f"vips: [{VIP}]", f"vips: [{VIP}, {OTHER}]")
CHANGED = (f"vips: [{VIP}]", f"vips: [{OTHER}]")
RENAMED = ("name: web\n", "name: site\n")


def bound(site: Site) -> float:
    """Within how many seconds a backup takes over from a master that falls silent."""
    return site.project().topology.frontends[0].crash_bound + SLACK


def holder(site: Site, vip: str = VIP) -> list[str]:
    return [host for host in DIRECTORS if site.ssh(host, f"ip -o addr show to {vip}")]


def numbers(site: Site) -> list[str]:
    return [site.ssh(host, "cat /var/lib/hactl/handover/web") for host in DIRECTORS]


def lost(course: Course, vip: str = VIP) -> int:
    return sum(bool(request.error) or request.done is None for request in course.requests(vip))


def test_a_change_of_the_master_costs_no_request(site: Site) -> None:
    course = watched(site, lambda: site.deploy(ADVERTS), VIP)
    assert course.done.outcomes == {"lvs1": "changed", "lvs2": "changed", "web1": "unchanged"}
    assert {host: result.execs for host, result in course.done.results.items()} == {
        "lvs1": 2,
        "lvs2": 2,
        "web1": 1,
    }
    steps = [line.partition(" 3 ")[0] for line in course.done.told]
    assert (
        steps.index("lvs2: changed")
        < steps.index("lvs1: handing over")
        < steps.index("lvs1: applying")
    )
    held = {frozenset(hosts) for _, _, hosts in course.spans(VIP)}
    assert frozenset({"lvs2"}) in held, "the master changed while its backup had the address"
    assert lost(course) == 0, course.figures(VIP)
    assert course.unheld(VIP) < bound(site), course.figures(VIP)
    assert (holder(site), numbers(site)) == (["lvs1"], ["0", "0"])
    print(course.figures(VIP))


@pytest.mark.parametrize("change", [VRID, ADDED, RENAMED], ids=["VRID", "VIP added", "renamed"])
def test_the_address_is_never_on_two_hosts_and_on_none_no_longer_than_in_a_failover(
    site: Site, change: tuple[str, str]
) -> None:
    there = watched(site, lambda: site.deploy(change), VIP)
    back = watched(site, lambda: site.deploy(), VIP)
    for course in (there, back):
        assert {course.done.outcomes[host] for host in DIRECTORS} == {"changed"}, course.done
        assert course.shared(VIP) < 0.05, course.figures(VIP)
        assert course.unheld(VIP) < bound(site), course.figures(VIP)
        assert course.lost(VIP) < bound(site), course.figures(VIP)
        print(course.figures(VIP))
    assert holder(site) == ["lvs1"]


def test_an_address_that_follows_another_comes_as_that_one_goes(site: Site) -> None:
    """The real server has both while the directors change."""
    between = []

    def look(host: str, text: str) -> None:
        if (host, text) == ("lvs1", "checking from outside"):
            between.append(site.ssh("web1", "ip -br addr show lo"))

    there = watched(site, lambda: site.deploy(CHANGED, at=look), VIP, OTHER)
    assert VIP in between[0] and OTHER in between[0]
    assert VIP not in site.ssh(
        "web1", "ip -br addr show lo; cat /var/lib/hactl/ledger /etc/hactl/lo-vips"
    )
    assert holder(site, OTHER) == ["lvs1"] and holder(site, VIP) == []
    back = watched(site, lambda: site.deploy(), VIP, OTHER)
    for course in (there, back):
        assert course.shared(VIP, OTHER) < 0.05, course.figures(VIP, OTHER)
        assert course.unheld(VIP, OTHER) < bound(site), course.figures(VIP, OTHER)
        print(course.figures(VIP, OTHER))
    assert holder(site) == ["lvs1"]


def test_a_backup_that_does_not_take_over_ends_the_run(site: Site) -> None:
    """Its Keepalived died after its own turn: the master stays as it was, and goes on."""

    def stop(host: str, text: str) -> None:
        if (host, text) == ("lvs1", "handing over"):
            site.ssh("lvs2", "systemctl stop keepalived")

    course = watched(site, lambda: site.deploy(ADVERTS, at=stop), VIP)
    site.ssh("lvs2", "systemctl start keepalived")
    assert course.done.code == Exit.FAILED
    assert course.done.outcomes == {"lvs1": "rolled_back", "lvs2": "changed", "web1": "unchanged"}
    assert f"hand-over: lvs1 still has {VIP}" in course.done.results["lvs1"].message
    assert lost(course) == 0, course.figures(VIP)
    assert "advert_int 0.2\n" in site.ssh("lvs1", "cat /etc/keepalived/keepalived.conf") + "\n"
    assert numbers(site)[0] == "0"
    time.sleep(6)  # a director that starts leaves the addresses to the other for five seconds


def test_a_second_holder_is_seen_and_the_batch_taken_back(site: Site) -> None:
    """As after a change that makes one director deaf: it takes the address, too."""

    def appear(host: str, text: str) -> None:
        if (host, text) == ("lvs2", "checking from outside"):
            site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")

    done = site.deploy(ADVERTS, at=appear)
    site.ssh("lvs2", f"ip addr del {VIP}/32 dev eth0")
    assert done.code == Exit.FAILED
    assert done.outcomes == {"lvs1": "skipped", "lvs2": "rolled_back", "web1": "unchanged"}
    message = done.results["lvs2"].message
    assert "the check from outside failed: one holder:" in message and "both have" in message
    assert message.endswith("rolled back: as it was")
    assert "advert_int 0.25" not in site.ssh("lvs2", "cat /etc/keepalived/keepalived.conf")


def test_an_address_that_a_hand_gave_a_backup_is_taken_off_and_left_to_who_became_master(
    site: Site,
) -> None:
    """Asked at the plan, lvs2 is no master of it; it is when its turn comes, and then lives by it."""
    site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")

    def fail_over(host: str, text: str) -> None:
        if (host, text) == ("lvs2", "ready"):
            site.ssh("lvs1", "systemctl stop keepalived")
            time.sleep(bound(site))

    done = site.deploy(at=fail_over)
    held = holder(site)
    site.ssh("lvs1", "systemctl start keepalived")
    assert (done.code, held) == (Exit.FAILED, ["lvs2"])
    assert done.results["lvs2"].exit_code == Exit.FAILED
    assert f"it became master of {VIP} since the plan was made" in done.results["lvs2"].message
    time.sleep(6)  # a director that starts leaves the addresses to the other for five seconds
    assert holder(site) == ["lvs1"]

    site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")
    done = site.deploy()
    assert done.outcomes["lvs2"] == "changed", done.results["lvs2"].message
    assert holder(site) == ["lvs1"]


def test_a_real_server_that_no_longer_serves_the_address_is_taken_back(site: Site) -> None:
    """The directors' checks may not see it for long, if ever; the client asks it itself."""
    page = ("hactl_roles: [web]", "hactl_roles: [web], web_page: changed")

    def stop(host: str, text: str) -> None:
        if (host, text) == ("web1", "checking from outside"):
            site.ssh("web1", "systemctl stop nginx")

    done = site.deploy(page, at=stop)
    site.ssh("web1", "systemctl start nginx")
    assert done.code == Exit.FAILED
    assert done.outcomes["web1"] == "rolled_back"
    assert (
        f"real server: web1 refuses connections to {VIP}:80, which it took before"
        in done.results["web1"].message
    )


DEPLOY = """
import os, signal, sys
from pathlib import Path
from tests.deploy.containers.containers import Site
def at(host, text):
    if host == "lvs1" and text.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
Site(sys.argv[1], Path(sys.argv[2])).deploy(("advert_int: 0.2", "advert_int: 0.25"), at=at)
"""


@pytest.mark.parametrize("step", ["handing over", "applying", "changed"])
def test_a_controller_that_dies_in_a_hand_over_leaves_it_to_the_host(
    site: Site, tmp_path: Path, step: str
) -> None:
    """`changed` comes after the confirmation; before it, everything is undone by the host itself."""
    words = [sys.executable, "-c", DEPLOY, site.name, str(tmp_path), step]
    root = REPOSITORY
    died = subprocess.run(words, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert died.returncode == -9
    for _ in range(100):
        if not site.ssh("lvs1", "ls -d /run/hactl/lock 2>/dev/null || :"):
            break
        time.sleep(0.1)
    time.sleep(bound(site) + 0.5)
    assert (holder(site), numbers(site)) == (["lvs1"], ["0", "0"])
    kept = "advert_int 0.25" in site.ssh("lvs1", "cat /etc/keepalived/keepalived.conf")
    assert kept is (step == "changed")
    assert site.ssh("lvs1", "ls -d /var/lib/hactl/run-* 2>/dev/null || :") == ""
