"""Role firewall: packets of VRRP and the services pass any firewall; nothing else changes.

The script runs with the real nft in a network namespace, and packets prove it. firewalld is not
tested here, since it needs its daemon.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.desired.items import Unit
from tests.roles.site import content, render

SCRIPT = "/usr/local/lib/hactl/firewall"
ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"),
    reason="needs root, nft and ip",
)

FILTERING = """
table inet site {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established accept
        tcp dport 22 accept
    }
}
"""
REJECTING = """
table ip legacy {
    chain last { counter reject; }
    chain input {
        type filter hook input priority 10; policy accept;
        ct state established accept
        jump last
    }
}
"""
BAN_LIST = """
table ip bans {
    chain input {
        type filter hook input priority -5; policy accept;
        ip saddr 203.0.113.9 drop
    }
}
"""


def openings(folder: Path, host: str) -> list[str]:
    return content(render(folder, host, firewall="nftables"), "/etc/hactl/openings").splitlines()[
        2:
    ]


def test_a_director_accepts_adverts_connection_sync_and_clients(tmp_path: Path) -> None:
    assert openings(tmp_path, "lvs1") == [
        "firewall nftables eth0",
        "open vrrp 112 - - 4",
        "open udp 17 8848 224.0.0.81 4",
        "open tcp 6 80 192.168.227.10 4",
    ]


def test_a_real_server_accepts_clients_on_the_vip_and_checks_on_its_address(
    tmp_path: Path,
) -> None:
    assert openings(tmp_path, "web1") == [
        "firewall nftables ens33",
        "open tcp 6 80 192.168.227.10 4",
        "open tcp 6 80 192.168.227.103 4",
    ]


def test_without_a_firewall_nothing_is_installed(tmp_path: Path) -> None:
    names = [item.name for item in render(tmp_path, "lvs1", firewall="none").items]
    assert [name for name in names if "firewall" in name or "openings" in name] == []


def test_lost_openings_are_drift(tmp_path: Path) -> None:
    unit = Unit("hactl-firewall.service", on_change="reload", check=f"/bin/sh {SCRIPT} check")
    assert unit in render(tmp_path, "lvs1", firewall="firewalld").items


def test_the_unit_follows_the_services_that_load_rulesets(tmp_path: Path) -> None:
    text = content(
        render(tmp_path, "lvs1", firewall="nftables"), "/etc/systemd/system/hactl-firewall.service"
    )
    for relation in ("After", "PartOf", "ReloadPropagatedFrom", "WantedBy"):
        lines = [line for line in text.splitlines() if line.startswith(f"{relation}=")]
        assert all(
            any(f"{name}.service" in line for line in lines)
            for name in ("nftables", "firewalld", "ufw")
        )
    assert "Before=network.target keepalived.service\n" in text, (
        "a backup that receives no adverts would take the VIP at boot"
    )


class FilteredHost:
    """A namespace with the director's VIP on lo, and the rendered script and openings."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.openings = folder / "openings"
        self.script = folder / "firewall"
        desired = render(folder, "lvs1", firewall="nftables")
        self.openings.write_text(content(desired, "/etc/hactl/openings"))
        self.script.write_text(content(desired, SCRIPT))
        self.run("ip", "address", "add", "192.168.227.10/32", "dev", "lo")
        self.run("ip", "link", "set", "lo", "up")

    def run(
        self, *command: str, text: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HACTL_OPENINGS": str(self.openings)}
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
            check=check,
            env=environment,
        )

    def firewall(self, verb: str, shell: tuple[str, ...] = ("dash",)) -> int:
        return self.run(*shell, str(self.script), verb, check=False).returncode

    def load(self, *rulesets: str) -> None:
        self.run("nft", "-f", "-", text="".join(rulesets))

    def rules(self) -> str:
        return self.run("nft", "list", "ruleset").stdout

    def reaches(self, protocol: str, port: int) -> bool:
        """Whether a packet to the VIP arrives: a TCP connection, else a packet at a raw socket."""
        return self.run(sys.executable, "-c", PROBE, protocol, str(port)).stdout == "arrived\n"


PROBE = """
import socket, sys
protocol, port, vip = sys.argv[1], int(sys.argv[2]), "192.168.227.10"
try:
    if protocol == "tcp":
        listener = socket.create_server((vip, port))
        socket.create_connection((vip, port), timeout=0.3)
    else:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol))
        receiver.settimeout(0.3)
        socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol)).sendto(b"advert", (vip, 0))
        receiver.recv(100)
    print("arrived")
except OSError:
    print("lost")
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FilteredHost]:
    name = f"hactl-fw-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield FilteredHost(tmp_path, name)
    subprocess.run(["ip", "netns", "delete", name], check=True)


@ROOT
@pytest.mark.parametrize(
    "ruleset", [FILTERING, REJECTING], ids=["policy drop", "a jump to a reject"]
)
@pytest.mark.parametrize("shell", [("dash",), ("busybox", "sh")], ids=["dash", "busybox"])
def test_blocked_packets_pass_and_no_others(
    host: FilteredHost, ruleset: str, shell: tuple[str, ...]
) -> None:
    host.load(ruleset)
    assert not host.reaches("112", 0) and not host.reaches("tcp", 80)
    assert host.firewall("check", shell) == 1
    assert host.firewall("apply", shell) == 0
    assert host.reaches("112", 0) and host.reaches("tcp", 80)
    assert not host.reaches("tcp", 81) and not host.reaches("50", 0)
    assert host.firewall("check", shell) == 0


@ROOT
def test_flushed_openings_are_detected_and_added_once(host: FilteredHost) -> None:
    host.load(FILTERING)
    host.firewall("apply")
    before = host.rules()
    host.run("nft", "flush", "ruleset")
    host.load(FILTERING)
    assert host.firewall("check") == 1
    host.firewall("apply")
    host.firewall("apply")
    assert host.rules() == before


@ROOT
def test_an_opening_that_leaves_the_inventory_is_closed(host: FilteredHost) -> None:
    host.load(FILTERING)
    host.firewall("apply")
    host.openings.write_text(
        host.openings.read_text().replace("open tcp 6 80 192.168.227.10 4\n", "")
    )
    assert host.firewall("check") == 1
    assert host.firewall("apply") == 0
    assert not host.reaches("tcp", 80) and host.reaches("112", 0)


@ROOT
def test_remove_leaves_the_ruleset_as_it_was(host: FilteredHost) -> None:
    host.load(FILTERING, BAN_LIST, REJECTING)
    before = host.rules()
    host.firewall("apply")
    assert host.rules() != before
    assert host.firewall("remove") == 0
    assert host.rules() == before


@ROOT
def test_a_chain_that_only_bans_is_not_changed(host: FilteredHost) -> None:
    host.load(FILTERING, BAN_LIST)
    host.firewall("apply")
    assert "hactl" not in host.run("nft", "list", "table", "ip", "bans").stdout
    assert "hactl" in host.rules()


@ROOT
def test_without_any_filter_there_is_nothing_to_open_and_nothing_amiss(host: FilteredHost) -> None:
    host.load(BAN_LIST)
    before = host.rules()
    assert host.firewall("check") == 0 and host.firewall("apply") == 0
    assert host.rules() == before
