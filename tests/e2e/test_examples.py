"""The shipped examples and the starter inventory, each deployed to fresh hosts of a lab of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.e2e.site import HACTL, Site, patiently

PAGES = {"this is web1!", "this is web2!"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with no inventory yet; its lab is taken away whatever happens."""
    one = Site("e2e-example", tmp_path)
    yield one
    for host in one.hosts:
        one.forget(host)
    one.lab("down")


def copied(site: Site, example: str) -> None:
    """A shipped inventory under the site's own name, its lab up."""
    text = (REPOSITORY / "inventories" / f"{example}.yml").read_text()
    site.inventory.write_text(text.replace(f"/lab/{example}/", f"/lab/{site.name}/"))
    site.lab("down")
    site.lab("up")
    site.hosts = ("lvs1", "lvs2", "web1", "web2", "client")


def await_holder(site: Site, vip: str, holder: str) -> list[str]:
    """Who has the VIP in the end: the directors wait for their `preempt_delay` of 10 s first."""
    found: list[str] = []
    for _ in patiently(40):
        found = site.holders(vip)
        if found == [holder]:
            break
    return found


@pytest.mark.proof
def test_two_front_ends_active_on_a_director_each(site: Site) -> None:
    copied(site, "active-active")
    site.deploy()
    for vip, holder in {"192.168.228.10": "lvs1", "192.168.228.20": "lvs2"}.items():
        site.await_pages(vip, PAGES)
        assert await_holder(site, vip, holder) == [holder]
    api = site.pages("192.168.228.20", 4)
    assert set(api) == PAGES
    site.assert_in_step()


def test_a_front_end_on_ipv6_alone(site: Site) -> None:
    copied(site, "ipv6")
    site.deploy()
    site.await_pages("fd00:227::10", PAGES)
    assert site.holders("fd00:227::10") == ["lvs1"]
    site.assert_in_step()
    site.lab("cut", "lvs1")
    site.await_pages("fd00:227::10", PAGES)
    assert site.holders("fd00:227::10", ["lvs2"]) == ["lvs2"]


@pytest.mark.proof
def test_a_table_of_ipvsadm_is_mended_entry_by_entry(site: Site) -> None:
    """What was not touched stays: the service on the backup is the same one, its connections with it."""
    copied(site, "lab")
    text, entry = site.inventory.read_text(), "        directors: directors "
    assert entry in text
    text = text.replace(entry, f"        ipvs_manager: ipvsadm\n{entry}")
    site.inventory.write_text(
        "\n".join(line for line in text.splitlines() if "check: {" not in line)
    )
    site.deploy()
    site.await_pages("192.168.227.10", PAGES)
    full = {host: site.ssh(host, "ipvsadm -Sn | sort") for host in ("lvs1", "lvs2")}
    service = "-t 192.168.227.10:80"
    site.ssh("lvs1", "ipvsadm -C")
    site.ssh(
        "lvs2",
        f"ipvsadm -d {service} -r 192.168.227.103:80; ipvsadm -e {service} -r 192.168.227.104:80 -g -w 9",
    )
    planned = {host: [each["action"] for each in changes] for host, changes in site.plan().items()}
    assert planned == {"lvs1": ["create"] * 3, "lvs2": ["create", "update"], "web1": [], "web2": []}
    site.deploy()
    assert {host: site.ssh(host, "ipvsadm -Sn | sort") for host in full} == full
    site.await_pages("192.168.227.10", PAGES)
    site.assert_in_step()


def test_a_starter_inventory_deploys_into_its_lab_behind_a_firewall(site: Site) -> None:
    """From `hactl init` on; the master and a real server filter before hactl ever comes there."""
    vip = "10.20.30.10"
    words = [
        "--vip",
        vip,
        "--director",
        "lvs1=10.20.30.1",
        "--director",
        "lvs2=10.20.30.2",
        "--port",
        "22",
    ]
    words += [
        "--real-server",
        "a=10.20.30.3",
        "--real-server",
        "b=10.20.30.4",
        "--client",
        "client=10.20.30.5",
    ]
    subprocess.run(
        [HACTL, "init", site.inventory, *words], check=True, capture_output=True, timeout=60
    )
    site.lab("down")
    site.lab("up")
    site.hosts = ("lvs1", "lvs2", "a", "b", "client")
    for host in ("lvs1", "a"):
        site.ssh(host, FILTER)
    results = site.deploy("--lab")
    assert {result["outcome"] for result in results.values()} == {"changed"}
    assert site.holders(vip) == ["lvs1"]
    keys = "for i in 1 2 3 4; do ssh-keyscan -T 3 -t ed25519 {} 2>/dev/null | cut -d' ' -f2-; done | sort | uniq -c"
    through = site.ssh("client", keys.format(vip)).splitlines()
    assert [line.split()[0] for line in through] == ["2", "2"], through
    for host in ("lvs1", "a"):
        assert "policy drop" in site.ssh(host, "nft list ruleset")
    site.assert_in_step("--lab")


FILTER = """
cat >/etc/nftables.conf <<'END'
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        ip saddr 169.254.113.1 tcp dport 22 accept
    }
}
END
systemctl enable -q --now nftables
"""
