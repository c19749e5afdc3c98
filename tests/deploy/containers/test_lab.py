"""Rollouts on real directors under load: clients notice no change, and bad changes roll back.

Directors are containers with a real systemd, sshd and Keepalived. A client asks their VIP for a
page every 5 ms.
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
from tests.deploy.containers.watching import Timeline, watched
from tests.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(120)]

TAKEOVER_TOLERANCE = 0.15
"""Seconds by which a takeover may be late on a busy machine."""

START_DELAY = 6.0
"""Seconds after a start: for five, Keepalived leaves the addresses to the other director."""

ADVERTS = ("advert_int: 0.2", "advert_int: 0.25")
VRID = ("virtual_router_id: 10", "virtual_router_id: 20")
ADDED = (f"vips: [{VIP}]", f"vips: [{VIP}, {OTHER}]")
CHANGED = (f"vips: [{VIP}]", f"vips: [{OTHER}]")
RENAMED = ("name: web\n", "name: site\n")


def bound(site: Site) -> float:
    """Seconds in which a backup takes over from a silent master."""
    return site.project().topology.frontends[0].crash_bound + TAKEOVER_TOLERANCE


def holders(site: Site, vip: str = VIP) -> list[str]:
    return [host for host in DIRECTORS if site.ssh(host, f"ip -o addr show to {vip}")]


def handover_numbers(site: Site) -> list[str]:
    return [site.ssh(host, "cat /var/lib/hactl/handover/web") for host in DIRECTORS]


def failed_requests(timeline: Timeline, vip: str = VIP) -> int:
    requests = timeline.requests(vip)
    return sum(bool(request.error) or request.done is None for request in requests)


def test_a_change_of_the_master_loses_no_request(site: Site) -> None:
    timeline = watched(site, lambda: site.deploy(ADVERTS), VIP)
    assert timeline.result.outcomes == {"lvs1": "changed", "lvs2": "changed", "web1": "unchanged"}
    assert {host: result.execs for host, result in timeline.result.results.items()} == {
        "lvs1": 2,
        "lvs2": 2,
        "web1": 1,
    }
    steps = [line.partition(" 3 ")[0] for line in timeline.result.events]
    assert (
        steps.index("lvs2: changed")
        < steps.index("lvs1: handing over")
        < steps.index("lvs1: applying")
    )
    held = {frozenset(hosts) for _, _, hosts in timeline.spans(VIP)}
    assert frozenset({"lvs2"}) in held, "the master changed while its backup had the address"
    assert failed_requests(timeline) == 0, timeline.figures(VIP)
    assert timeline.unheld(VIP) < bound(site), timeline.figures(VIP)
    assert (holders(site), handover_numbers(site)) == (["lvs1"], ["0", "0"])
    print(timeline.figures(VIP))


@pytest.mark.parametrize("change", [VRID, ADDED, RENAMED], ids=["VRID", "VIP added", "renamed"])
def test_the_address_has_one_holder_except_for_one_takeover_time(
    site: Site, change: tuple[str, str]
) -> None:
    forward = watched(site, lambda: site.deploy(change), VIP)
    back = watched(site, lambda: site.deploy(), VIP)
    for timeline in (forward, back):
        assert {timeline.result.outcomes[host] for host in DIRECTORS} == {"changed"}, (
            timeline.result
        )
        assert timeline.shared(VIP) < 0.05, timeline.figures(VIP)
        assert timeline.unheld(VIP) < bound(site), timeline.figures(VIP)
        assert timeline.lost(VIP) < bound(site), timeline.figures(VIP)
        print(timeline.figures(VIP))
    assert holders(site) == ["lvs1"]


def test_a_new_address_replaces_the_old_address_without_a_gap(site: Site) -> None:
    """The real server has both addresses while the directors change."""
    addresses = []

    def look(host: str, text: str) -> None:
        if (host, text) == ("lvs1", "checking from outside"):
            addresses.append(site.ssh("web1", "ip -br addr show lo"))

    forward = watched(site, lambda: site.deploy(CHANGED, on_step=look), VIP, OTHER)
    assert VIP in addresses[0] and OTHER in addresses[0]
    assert VIP not in site.ssh(
        "web1", "ip -br addr show lo; cat /var/lib/hactl/ledger /etc/hactl/lo-vips"
    )
    assert holders(site, OTHER) == ["lvs1"] and holders(site, VIP) == []
    back = watched(site, lambda: site.deploy(), VIP, OTHER)
    for timeline in (forward, back):
        assert timeline.shared(VIP, OTHER) < 0.05, timeline.figures(VIP, OTHER)
        assert timeline.unheld(VIP, OTHER) < bound(site), timeline.figures(VIP, OTHER)
        print(timeline.figures(VIP, OTHER))
    assert holders(site) == ["lvs1"]


def test_a_backup_that_does_not_take_over_ends_the_run(site: Site) -> None:
    """The backup's Keepalived dies after its own change: the master goes on unchanged."""

    def stop(host: str, text: str) -> None:
        if (host, text) == ("lvs1", "handing over"):
            site.ssh("lvs2", "systemctl stop keepalived")

    timeline = watched(site, lambda: site.deploy(ADVERTS, on_step=stop), VIP)
    site.ssh("lvs2", "systemctl start keepalived")
    assert timeline.result.code == Exit.FAILED
    assert timeline.result.outcomes == {
        "lvs1": "rolled_back",
        "lvs2": "changed",
        "web1": "unchanged",
    }
    assert f"hand-over: lvs1 still has {VIP}" in timeline.result.results["lvs1"].message
    assert failed_requests(timeline) == 0, timeline.figures(VIP)
    assert "advert_int 0.2\n" in site.ssh("lvs1", "cat /etc/keepalived/keepalived.conf") + "\n"
    assert handover_numbers(site)[0] == "0"
    time.sleep(START_DELAY)


def test_a_second_holder_is_noticed_and_the_batch_rolled_back(site: Site) -> None:
    """A director that receives no adverts after a change takes the address, too."""

    def appear(host: str, text: str) -> None:
        if (host, text) == ("lvs2", "checking from outside"):
            site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")

    result = site.deploy(ADVERTS, on_step=appear)
    site.ssh("lvs2", f"ip addr del {VIP}/32 dev eth0")
    assert result.code == Exit.FAILED
    assert result.outcomes == {"lvs1": "skipped", "lvs2": "rolled_back", "web1": "unchanged"}
    message = result.results["lvs2"].message
    assert "the check from outside failed: one holder:" in message and "both have" in message
    assert message.endswith("rolled back: as it was")
    assert "advert_int 0.25" not in site.ssh("lvs2", "cat /etc/keepalived/keepalived.conf")


def test_a_vip_added_by_hand_is_removed_from_a_backup_but_not_from_a_new_master(
    site: Site,
) -> None:
    """At the plan lvs2 is not master of the VIP; it is when its batch begins."""
    site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")

    def fail_over(host: str, text: str) -> None:
        if (host, text) == ("lvs2", "ready"):
            site.ssh("lvs1", "systemctl stop keepalived")
            time.sleep(bound(site))

    result = site.deploy(on_step=fail_over)
    present = holders(site)
    site.ssh("lvs1", "systemctl start keepalived")
    assert (result.code, present) == (Exit.FAILED, ["lvs2"])
    assert result.results["lvs2"].exit_code == Exit.FAILED
    assert f"it became master of {VIP} since the plan was made" in result.results["lvs2"].message
    time.sleep(START_DELAY)
    assert holders(site) == ["lvs1"]

    site.ssh("lvs2", f"ip addr add {VIP}/32 dev eth0")
    result = site.deploy()
    assert result.outcomes["lvs2"] == "changed", result.results["lvs2"].message
    assert holders(site) == ["lvs1"]


def test_a_real_server_that_no_longer_serves_is_rolled_back(site: Site) -> None:
    """The directors' checks may notice it late or never; the client asks the server itself."""
    page = ("hactl_roles: [web]", "hactl_roles: [web], web_page: changed")

    def stop(host: str, text: str) -> None:
        if (host, text) == ("web1", "checking from outside"):
            site.ssh("web1", "systemctl stop nginx")

    result = site.deploy(page, on_step=stop)
    site.ssh("web1", "systemctl start nginx")
    assert result.code == Exit.FAILED
    assert result.outcomes["web1"] == "rolled_back"
    assert (
        f"real server: web1 refuses connections to {VIP}:80, which it accepted before"
        in result.results["web1"].message
    )


DEPLOY = """
import os, signal, sys
from pathlib import Path
from tests.deploy.containers.containers import Site
def on_step(host, text):
    if host == "lvs1" and text.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
edits = ("advert_int: 0.2", "advert_int: 0.25")
Site(sys.argv[1], Path(sys.argv[2])).deploy(edits, on_step=on_step)
"""


@pytest.mark.parametrize("step", ["handing over", "applying", "changed"])
def test_if_the_controller_dies_during_a_hand_over_the_host_ends_it(
    site: Site, tmp_path: Path, step: str
) -> None:
    """`changed` comes after the confirmation; before it, the host rolls everything back."""
    words = [sys.executable, "-c", DEPLOY, site.name, str(tmp_path), step]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, check=False)
    assert done.returncode == -9
    lock = "ls -d /run/hactl/lock 2>/dev/null || :"
    wait_until(lambda: not site.ssh("lvs1", lock), 30, 0.1, "lvs1 is not locked")
    time.sleep(bound(site) + 0.5)
    assert (holders(site), handover_numbers(site)) == (["lvs1"], ["0", "0"])
    kept = "advert_int 0.25" in site.ssh("lvs1", "cat /etc/keepalived/keepalived.conf")
    assert kept is (step == "changed")
    assert site.ssh("lvs1", "ls -d /var/lib/hactl/run-* 2>/dev/null || :") == ""
