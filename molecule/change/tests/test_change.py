"""After the change: new services answer, old ones left no trace, hosts match the inventory."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest
from conftest import FOLDER, holders, log_in, read_groups
from testinfra.host import Host

OLD, NEW = "192.168.232.210", "192.168.232.220"
CHANGED = FOLDER / "inventory" / "changed.yml"
KEPT = read_groups(CHANGED)["web"]


@pytest.fixture(scope="session")
def removed(pytestconfig: pytest.Config) -> Host:
    """The decommissioned real server."""
    return log_in("web2", pytestconfig)


@pytest.fixture(scope="session", params=KEPT)
def kept(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Host:
    """Each real server that stays."""
    return log_in(request.param, pytestconfig)


def test_the_old_vip_is_on_no_director(director: Host) -> None:
    assert OLD not in director.check_output("ip -oneline address show")
    assert OLD not in director.check_output("ipvsadm --save --numeric")
    assert director.run("grep -rl %s /etc/keepalived /etc/ipvsadm.rules", OLD).stdout == ""


def test_the_old_vip_is_on_no_real_server(real_server: Host) -> None:
    assert OLD not in real_server.check_output("ip -oneline address show")
    assert (
        real_server.run("grep -rlF %s /etc /usr/local/lib /var/lib/hactl 2>/dev/null", OLD).stdout
        == ""
    )


def test_nobody_answers_for_the_old_vip(client: Host) -> None:
    client.check_output("ip neighbour flush to %s", OLD)
    assert client.run("ping -c 2 -W 1 %s", OLD).rc == 1
    assert "lladdr" not in client.check_output("ip neighbour show to %s", OLD)


def test_exactly_one_director_holds_the_new_vip(directors: list[Host]) -> None:
    assert len(holders(directors, NEW)) == 1


def test_the_directors_send_only_to_the_kept_real_servers(director: Host) -> None:
    live = director.check_output("ipvsadm --save --numeric").splitlines()
    assert sorted(line.strip() for line in live) == [
        f"-A -t {NEW}:22 -s wlc",
        f"-A -t {NEW}:80 -s rr",
        *(
            f"-a -t {NEW}:{port} -r 192.168.232.{host}:{port} -g -w 1"
            for port in (22, 80)
            for host in (103, 105)
        ),
    ]


def test_the_kept_real_servers_have_only_the_new_vip(kept: Host) -> None:
    assert f" lo    inet {NEW}/32 " in kept.check_output("ip -oneline -4 address show to %s", NEW)
    assert max(kept.sysctl(f"net.ipv4.conf.{scope}.arp_ignore") for scope in ("all", "eth0")) == 1


def test_the_page_comes_from_the_kept_real_servers(client: Host) -> None:
    pages = client.check_output(
        "for i in 1 2 3 4; do curl -sSf --max-time 2 http://%s/; done", NEW
    ).splitlines()
    assert Counter(filter(None, pages)) == {f"this is {name}!": 2 for name in KEPT}


def test_the_new_service_answers(client: Host) -> None:
    scan = "ssh-keyscan -T 3 -t ed25519 %s 2>/dev/null | cut -d' ' -f3"
    keys = set(client.check_output(scan, NEW).split())
    server_keys = {
        client.check_output(scan, address) for address in ("192.168.232.103", "192.168.232.105")
    }
    assert len(server_keys) == 2
    assert keys and keys <= server_keys


def test_hactl_left_nothing_on_the_decommissioned_server(removed: Host) -> None:
    shown = removed.check_output("ip -oneline address show")
    assert OLD not in shown
    assert NEW not in shown
    assert "lo:0" not in shown
    assert removed.check_output("find /etc /usr/local -path '*hactl*' -type f") == ""
    assert not removed.file("/var/lib/hactl/ledger").exists
    for verb in ("list-unit-files", "list-units"):
        assert removed.run("systemctl %s --no-legend 'hactl-*'", verb).stdout == ""
    assert not removed.service("nginx").is_running  # hactl had installed it
    for name in ("arp_ignore", "arp_announce"):
        assert removed.sysctl(f"net.ipv4.conf.all.{name}") == 0


def test_the_hosts_match_the_inventory() -> None:
    done = subprocess.run(["hactl", "plan", str(CHANGED), "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    planned = json.loads(done.stdout)["hosts"]
    assert planned == {host: [] for host in ("lvs1", "lvs2", "web1", "web2", "web3")}
