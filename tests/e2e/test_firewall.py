"""Where a firewall refuses by default, the deploy opens what the front end needs, and nothing else."""

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


def filtered(site: Site, host: str) -> None:
    """Refuse everything on a host but logins, now and after a reboot."""
    site.ssh(
        host, f"cat >/etc/nftables.conf <<'END'\n{RULES}END\nsystemctl enable -q --now nftables"
    )


@pytest.mark.proof  # tier lab has the starter inventory behind a firewall
def test_the_openings_are_made_kept_and_taken_away(site: Site) -> None:
    for host in HOSTS:
        filtered(site, host)
    assert set(site.pages(VIP)) != {"this is web1!", "this is web2!"}, (
        "the firewall does not filter"
    )

    planned = site.plan()
    for host in HOSTS:
        assert {"kind": "unit", "name": "hactl-firewall.service", "action": "create"} in planned[
            host
        ]
    site.deploy()
    site.assert_in_step()
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    for host in HOSTS:
        ruleset = site.ssh(host, "nft list ruleset")
        assert "policy drop" in ruleset
        assert "tcp dport 22 accept" in ruleset
    assert "dport 112" not in site.ssh("lvs2", "nft list ruleset")
    assert site.holders(VIP) == ["lvs1"], "the backup hears the adverts"

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
        assert site.ssh(host, "ls /etc/systemd/system/hactl-firewall.service 2>&1 || :").endswith(
            "No such file or directory"
        )
    site.assert_in_step()
