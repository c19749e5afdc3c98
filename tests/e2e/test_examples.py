"""The shipped examples and the starter inventory, each deployed to new hosts of its own lab."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.e2e.site import HACTL, Site
from tests.waiting import wait_until

PAGES = {"this is web1!", "this is web2!"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site without an inventory; its lab is deleted in any case."""
    example = Site("e2e-example", tmp_path)
    yield example
    for host in example.hosts:
        example.forget(host)
    example.lab("down")


def copy_example(site: Site, example: str) -> None:
    """Copy a shipped inventory to the site's name, and start its lab."""
    text = (REPOSITORY / "inventories" / f"{example}.yml").read_text()
    site.inventory.write_text(text.replace(f"/lab/{example}/", f"/lab/{site.name}/"))
    site.lab("down")
    site.lab("up")
    site.hosts = ("lvs1", "lvs2", "web1", "web2", "client")


def await_holder(site: Site, vip: str, holder: str) -> None:
    """Wait until one director holds the VIP: first the `preempt_delay` of 10 s must pass."""
    wait_until(lambda: site.holders(vip) == [holder], 40, 0.3, f"{holder} holds {vip}")


@pytest.mark.proof
def test_two_front_ends_active_on_a_director_each(site: Site) -> None:
    copy_example(site, "active-active")
    site.deploy()
    for vip, holder in {"192.168.228.10": "lvs1", "192.168.228.20": "lvs2"}.items():
        site.await_pages(vip, PAGES)
        await_holder(site, vip, holder)
    api = site.pages("192.168.228.20", 4)
    assert set(api) == PAGES
    site.assert_in_step()


def test_a_front_end_on_ipv6_alone(site: Site) -> None:
    copy_example(site, "ipv6")
    site.deploy()
    site.await_pages("fd00:227::10", PAGES)
    assert site.holders("fd00:227::10") == ["lvs1"]
    site.assert_in_step()
    site.lab("cut", "lvs1")
    site.await_pages("fd00:227::10", PAGES)
    assert site.holders("fd00:227::10", ["lvs2"]) == ["lvs2"]


@pytest.mark.proof
def test_a_table_of_ipvsadm_is_repaired_entry_by_entry(site: Site) -> None:
    """The service on the backup stays the same, and so do its connections."""
    copy_example(site, "lab")
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
        f"ipvsadm -d {service} -r 192.168.227.103:80\n"
        f"ipvsadm -e {service} -r 192.168.227.104:80 -g -w 9",
    )
    plan = site.plan()
    planned = {host: [change["action"] for change in plan[host]] for host in plan}
    assert planned == {"lvs1": ["create"] * 3, "lvs2": ["create", "update"], "web1": [], "web2": []}
    site.deploy()
    assert {host: site.ssh(host, "ipvsadm -Sn | sort") for host in full} == full
    site.await_pages("192.168.227.10", PAGES)
    site.assert_in_step()


def test_a_starter_inventory_deploys_into_its_lab_behind_a_firewall(site: Site) -> None:
    """The inventory is from `hactl init`; the master and a real server have a firewall before."""
    vip = "10.20.30.10"
    words = f"""
        --vip {vip} --port 22
        --director lvs1=10.20.30.1 --director lvs2=10.20.30.2
        --real-server a=10.20.30.3 --real-server b=10.20.30.4
        --client client=10.20.30.5
    """.split()
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
    scan = f"ssh-keyscan -T 3 -t ed25519 {vip} 2>/dev/null | cut -d' ' -f2-"
    counts = site.ssh("client", f"for i in 1 2 3 4; do {scan}; done | sort | uniq -c").splitlines()
    assert [line.split()[0] for line in counts] == ["2", "2"], counts
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
