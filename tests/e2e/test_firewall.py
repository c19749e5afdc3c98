"""On a firewall that drops by default, the deploy opens only the ports of the front end."""

from __future__ import annotations

import pytest

from tests.e2e.model import VIP
from tests.e2e.site import Site

RULES = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established,related accept
        tcp dport 22 accept
    }
}
"""
HOSTS = ("lvs2", "web1")
UNIT_CREATION = {"kind": "unit", "name": "hactl-firewall.service", "action": "create"}


def start_firewall(site: Site, host: str) -> None:
    """Drop everything on a host except for logins, now and after a reboot."""
    site.ssh(
        host, f"cat >/etc/nftables.conf <<'END'\n{RULES}END\nsystemctl enable -q --now nftables"
    )


@pytest.mark.proof  # The tier lab has the starter inventory behind a firewall.
def test_openings_are_made_repaired_and_removed(site: Site) -> None:
    for host in HOSTS:
        start_firewall(site, host)
    assert set(site.pages(VIP)) != {"this is web1!", "this is web2!"}, (
        "the firewall does not filter"
    )

    planned = site.plan()
    for host in HOSTS:
        assert UNIT_CREATION in planned[host]
    site.deploy()
    site.assert_in_step()
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    for host in HOSTS:
        ruleset = site.ssh(host, "nft list ruleset")
        assert "policy drop" in ruleset
        assert "tcp dport 22 accept" in ruleset
    assert "dport 112" not in site.ssh("lvs2", "nft list ruleset")
    assert site.holders(VIP) == ["lvs1"], "the backup receives the adverts"

    site.ssh("web1", "systemctl restart nftables")
    site.await_pages(VIP, {"this is web1!", "this is web2!"})

    site.ssh("web1", "nft -f /etc/nftables.conf")
    drifted = site.plan()
    assert [change["name"] for change in drifted["web1"]] == ["hactl-firewall.service"]
    site.deploy()
    site.await_pages(VIP, {"this is web1!", "this is web2!"})

    for host in HOSTS:
        site.ssh(
            host,
            "systemctl disable -q --now nftables; nft flush ruleset; echo '#' >/etc/nftables.conf",
        )
    site.deploy()
    for host in HOSTS:
        unit = site.ssh(host, "ls /etc/systemd/system/hactl-firewall.service 2>&1 || :")
        assert unit.endswith("No such file or directory")
    site.assert_in_step()
