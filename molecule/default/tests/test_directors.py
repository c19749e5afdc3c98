"""The state of each director, and of all directors together."""

from __future__ import annotations

from conftest import holders
from testinfra.host import Host

VIP = "192.168.231.10"


def test_exactly_one_director_holds_the_vip(directors: list[Host]) -> None:
    assert len(holders(directors, VIP)) == 1


def test_keepalived_is_enabled_and_running(director: Host) -> None:
    service = director.service("keepalived")
    assert service.is_enabled
    assert service.is_running


def test_the_live_table_is_the_rules_file(director: Host) -> None:
    rules = director.file("/etc/ipvsadm.rules").content_string.splitlines()
    expected = sorted(line for line in rules if not line.startswith("#"))
    live = director.check_output("ipvsadm --save --numeric").splitlines()
    assert len(expected) == 3  # the service and its two real servers
    assert sorted(line.strip() for line in live) == expected


def test_connections_are_synchronised_and_no_client_is_redirected(director: Host) -> None:
    daemons = director.check_output("ipvsadm --list --daemon")
    assert "master sync daemon" in daemons or "backup sync daemon" in daemons
    assert director.sysctl("net.ipv4.vs.sync_threshold") == "2\t0"
    for scope in ("all", "default", "eth0"):
        assert director.sysctl(f"net.ipv4.conf.{scope}.send_redirects") == 0
