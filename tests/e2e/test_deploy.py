"""One inventory and one command make a working VIP on new hosts; the output of the command."""

from __future__ import annotations

from itertools import pairwise

from tests.e2e.conftest import First
from tests.e2e.model import MANAGED, VIP
from tests.e2e.site import Site


def test_the_plan_of_new_hosts(first: First) -> None:
    assert set(first.planned) == set(MANAGED)
    for host, changes in first.planned.items():
        assert changes, host
        for change in changes:
            assert set(change) == {"kind", "name", "action"}
            assert change["action"] in {"create", "update"}
    lvs1 = {(change["kind"], change["name"], change["action"]) for change in first.planned["lvs1"]}
    assert ("package", "keepalived", "create") in lvs1
    assert ("file", "/etc/keepalived/keepalived.conf", "create") in lvs1
    assert ("sysctl", "net.ipv4.conf.all.send_redirects", "update") in lvs1
    assert ("unit", "keepalived.service", "create") in lvs1
    assert {"kind": "address", "name": f"{VIP}/32", "action": "create"} in first.planned["web1"]


def test_the_first_deploy_changes_every_host_in_two_execs(first: First) -> None:
    assert first.deployed.code == 0, first.deployed
    document = first.deployed.json
    assert set(document) == {"ok", "hosts", "hosts_seen", "hosts_total", "unseen"}
    assert document["ok"] is True
    assert list(document["hosts"]) == list(MANAGED)
    for host, result in document["hosts"].items():
        assert set(result) == {"outcome", "changes", "execs", "seconds"}
        assert (result["outcome"], result["execs"]) == ("changed", 2)
        assert result["changes"] == len(first.planned[host])
        assert result["seconds"] > 0


def test_the_order_is_real_servers_then_the_backup_then_the_master(first: First) -> None:
    steps = [line.split("] ")[1] for line in first.deployed.err.splitlines() if ": changed" in line]
    assert sorted(steps[:2]) == ["web1: changed", "web2: changed"]
    assert steps[2:] == ["lvs2: changed", "lvs1: changed"]


def test_the_second_deploy_changes_nothing_and_says_so(first: First) -> None:
    assert first.redeployed.code == 0, first.redeployed
    assert "Plan: nothing to do on 4 hosts." in first.redeployed.out
    assert "Deploy: 4 unchanged. Nothing changed." in first.redeployed.out


def test_an_unchanged_host_takes_one_exec(site: Site) -> None:
    results = site.deploy()
    assert {
        (result["outcome"], result["changes"], result["execs"]) for result in results.values()
    } == {("unchanged", 0, 1)}
    site.assert_in_step()


def test_both_real_servers_answer_in_turn_through_the_vip(site: Site) -> None:
    pages = site.pages(VIP, 6)
    assert set(pages) == {"this is web1!", "this is web2!"}
    assert all(page != next_page for page, next_page in pairwise(pages)), pages


def test_the_first_director_alone_holds_the_vip(site: Site) -> None:
    assert site.holders(VIP) == ["lvs1"]
    answers = site.ssh(
        "client",
        f"arping -q -c1 -I eth0 {VIP}; arping -c3 -b -I eth0 {VIP} | grep -o '\\[.*\\]' | sort -u",
    )
    assert len(answers.splitlines()) == 1, answers


def test_real_servers_have_the_vip_and_do_not_announce_it(site: Site) -> None:
    for host in ("web1", "web2"):
        assert f"inet {VIP}/32 scope global lo:0" in site.ssh(host, "ip -o addr show dev lo")
        effective = site.ssh(
            host, "cd /proc/sys/net/ipv4/conf && cat all/arp_ignore all/arp_announce eth0/rp_filter"
        )
        assert effective.split() == ["1", "2", "2"]


def test_directors_have_the_table_of_the_rules_file_and_sync_connections(site: Site) -> None:
    for host in ("lvs1", "lvs2"):
        live = site.ssh(host, "ipvsadm -Sn | sort")
        assert live == site.ssh(host, "grep -v '^#' /etc/ipvsadm.rules | sort")
        assert live.count("\n") == 2, live
        state = "master" if host == "lvs1" else "backup"
        assert state in site.ssh(host, "ipvsadm --list --daemon")
        assert site.ssh(host, "cat /proc/sys/net/ipv4/vs/sync_threshold").split() == ["2", "0"]
        parameters = " ".join(f"{name}/send_redirects" for name in ("all", "default", "eth0"))
        redirects = site.ssh(host, f"cd /proc/sys/net/ipv4/conf && cat {parameters}")
        assert redirects.split() == ["0", "0", "0"]
        assert (
            site.ssh(host, "systemctl is-enabled keepalived; systemctl is-active keepalived")
            == "enabled\nactive"
        )
