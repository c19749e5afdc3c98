"""Faults on the real lab: verify names the check, the host and the reason of each fault.

Faults that do not hide each other are made together, because a look at an emulated director takes
seconds.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import REPOSITORY
from tests.e2e.site import Run, Site, patiently

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

NAME = "verify"
VIP = "192.168.227.10"
INVENTORY = REPOSITORY / "inventories/lab.yml"

OWN_CONFTEST = """
import pytest

@pytest.fixture
def page():
    return "/var/www/html/index.html"
"""

OWN_TESTS = """
import pytest

@pytest.mark.hosts("web")
def test_page(host, page):
    assert host.file(page).contains(host.backend.get_hostname())

@pytest.mark.hosts("lvs2", "web1")
def test_output_and_status(host):
    done = host.run("printf 'a\\\\n'; printf b; echo c >&2; exit 3")
    assert (done.stdout, done.stderr.strip(), done.rc) == ("a\\nb", "c", 3)
    assert host.run("cat").stdout == ""

def test_service_runs(host, topology):
    name = "keepalived" if host.backend.get_hostname() in topology.directors() else "nginx"
    assert host.service(name).is_running
    assert not host.service("no-such-thing").is_running

@pytest.mark.hosts("directors")
def test_parameter(host):
    assert host.sysctl("net.ipv4.conf.all.send_redirects") == 0
"""


@dataclass(frozen=True)
class Fault:
    """A fault, its repair, and the expected failures: check, host, part of the message."""

    host: str
    break_it: str
    mend: str
    expected: Sequence[tuple[str, str, str]]


STRANGER = f"""
import socket, struct, time
ours, group, vip = map(socket.inet_aton, ("192.168.227.104", "224.0.0.18", "{VIP}"))
packet = struct.pack("!BBBBHH4s", 0x31, 10, 1, 1, 20, 0, vip)
words = ours + group + struct.pack("!HH", 112, len(packet)) + packet
total = sum(struct.unpack(f"!{{len(words) // 2}}H", words))
total = (total & 0xffff) + (total >> 16)
packet = packet[:6] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + packet[8:]
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours)
end = time.monotonic() + 60
while time.monotonic() < end:
    sender.sendto(packet, ("224.0.0.18", 0))
    time.sleep(0.1)
"""
"""Sends adverts of our VRID from a real server: VRRP 3, checksum, priority 1 (RFC 5798 §5)."""

BLOCK = """
nft -f - <<'END'
table inet verify {
    chain input {
        type filter hook input priority raw; policy accept;
        meta l4proto 112 drop
    }
}
END
"""

ONLY_RIP = (
    "sed -i 's/listen 80 default_server/listen 192.168.227.103:80/' "
    "/etc/nginx/sites-available/default"
)

FIRST = (
    Fault(
        "web1",
        f"ip address del {VIP}/32 dev lo",
        "systemctl restart hactl-lo-vip",
        [
            ("lo_vips", "web1", f"does not have {VIP} on lo"),
            (f"serves_vip {VIP}:80", "web1", "every forwarded connection is lost"),
            ("installed", "web1", f"address {VIP}/32"),
        ],
    ),
    Fault(
        "web2",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.eth0.arp_ignore=0",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1",
        [
            ("arp", "web2", "effective arp_ignore on eth0 is 0: all 0, eth0 0"),
            (f"vip_answers {VIP}", "", f"web2 answers for {VIP}, and does not hold it"),
        ],
    ),
    Fault(
        "lvs1",
        "sysctl -qw net.ipv4.conf.eth0.send_redirects=1",
        "sysctl -qw net.ipv4.conf.eth0.send_redirects=0",
        [
            ("send_redirects", "lvs1", "effective on eth0: all 0, eth0 1"),
        ],
    ),
    Fault(
        "lvs2",
        BLOCK,
        "nft delete table inet verify",
        [
            ("one_holder web", "", f"lvs1 and lvs2 both hold {VIP}"),
            ("own_vrids web", "", "split brain: lvs1 and lvs2 both advertise VRID 10"),
        ],
    ),
    Fault(
        "lvs2",
        f"ipvsadm -d -t {VIP}:80 -r 192.168.227.104:80; ipvsadm -A -t 10.9.9.9:99",
        f"ipvsadm -a -t {VIP}:80 -r 192.168.227.104:80 -g -w 1; ipvsadm -D -t 10.9.9.9:99",
        [
            ("table", "lvs2", f"web2 is missing from -t {VIP}:80"),
            ("installed", "lvs2", "web2 is missing, its check succeeds"),
            ("foreign_services", "lvs2", "-t 10.9.9.9:99"),
        ],
    ),
)

SECOND = (
    Fault(
        "web2",
        f"ip address add {VIP}/32 dev eth0",
        f"ip address del {VIP}/32 dev eth0",
        [
            ("one_holder web", "", f"lvs1 and web2 both hold {VIP}"),
            ("one_holder web", "", f"only lvs1 is master: `ip address del {VIP} dev eth0` on web2"),
        ],
    ),
    Fault(
        "lvs1",
        "ipvsadm -C",
        "systemctl restart keepalived",
        [
            (
                "table",
                "lvs1",
                f"the service -t {VIP}:80 is not in the table; the table has nothing at all",
            ),
        ],
    ),
    Fault(
        "web1",
        f"cp /etc/nginx/sites-available/default /root/kept; {ONLY_RIP}; systemctl restart nginx",
        "cp /root/kept /etc/nginx/sites-available/default; systemctl restart nginx",
        [
            (
                "listeners",
                "web1",
                f"listens on 192.168.227.103, any IPv6 address, not on {VIP} port 80",
            ),
            (f"serves_vip {VIP}:80", "web1", "got a reset"),
        ],
    ),
    Fault(
        "web2",
        f"cat >/tmp/stranger.py <<'END'\n{STRANGER}\nEND\n"
        "setsid python3 /tmp/stranger.py >/dev/null 2>&1 &",
        "kill $(pgrep -f '^python3 /tmp/stranger.py'); rm /tmp/stranger.py",
        [
            (
                "own_vrids web",
                "",
                "192.168.227.104, which is no director of web, advertises VRID 10",
            ),
        ],
    ),
)

THIRD = (
    Fault(
        "lvs2",
        "systemctl stop keepalived; date -s @$(($(date +%s) + 60)) >/dev/null",
        "date -s @$(($(date +%s) - 60)) >/dev/null; systemctl start keepalived",
        [
            ("keepalived_runs", "lvs2", "keepalived.service is inactive"),
            ("sync_daemons", "lvs2", "its backup sync daemon does not run"),
            ("clock", "lvs2", "s ahead of the other hosts'"),
        ],
    ),
    Fault(
        "web2",
        "systemctl stop nginx",
        "systemctl start nginx",
        [
            ("listeners", "web2", "nothing listens on tcp port 80"),
            (f"serves_vip {VIP}:80", "web2", "got a reset"),
        ],
    ),
    Fault(
        "lvs1",
        "ip address add 192.168.227.10/32 dev lo",
        "ip address del 192.168.227.10/32 dev lo",
        [
            ("stray_lo_vips", "lvs1", f"has {VIP} on lo and is no real server of it"),
        ],
    ),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(NAME)
    site = Site(NAME, folder)
    site.inventory.write_text(INVENTORY.read_text().replace("/lab/lab/", f"/lab/{NAME}/"))
    site.hosts = ("lvs1", "lvs2", "web1", "web2", "client")
    site.lab("down")
    try:
        site.lab("up")
        site.deploy()
        settle(site)
        yield site
    finally:
        for host in site.hosts:
            site.forget(host)
        site.lab("down")


def settle(site: Site) -> Run:
    """Verify until all is well: a health check notices a repair after its interval."""
    done = None
    for _ in patiently(120):
        done = site.hactl("verify", "--json")
        if done.code == 0:
            return done
    raise AssertionError(f"the site does not recover: {done}")


def failed(document: Any) -> list[tuple[str, str, str]]:
    return [
        (check["name"], check["host"], check["message"])
        for check in document["checks"]
        if not check["ok"]
    ]


@pytest.mark.parametrize("faults", [FIRST, SECOND, THIRD], ids=["addresses", "holders", "services"])
def test_each_fault_is_named(site: Site, faults: Sequence[Fault]) -> None:
    with contextlib.ExitStack() as repairs:
        for fault in faults:
            site.ssh(fault.host, fault.break_it)
            repairs.callback(site.ssh, fault.host, fault.mend)
        done = site.hactl("verify", "--json")
    assert done.code == 1, done
    assert done.json["ok"] is False
    results = [(check["name"], check["host"], check["message"]) for check in done.json["checks"]]
    missing = [
        expected
        for fault in faults
        for expected in fault.expected
        if not any(result[:2] == expected[:2] and expected[2] in result[2] for result in results)
    ]
    assert not missing, f"missing: {missing}\nfailed: {failed(done.json)}"
    settle(site)


def test_the_operators_tests_run_in_the_same_session(site: Site, tmp_path: Path) -> None:
    folder = site.inventory.parent / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text(OWN_CONFTEST)
    (folder / "test_hosts.py").write_text(OWN_TESTS)
    junit = tmp_path / "junit.xml"
    try:
        done = site.hactl("verify", "--json", "--junit", str(junit))
        assert done.code == 0, failed(done.json)
        operators = [
            (check["name"], check["host"])
            for check in done.json["checks"]
            if check["name"].startswith("tests/")
        ]
        assert len(operators) == 2 + 2 + 4 + 2
        assert ("tests/test_hosts.py::test_page[web2]", "web2") in operators
        cases = ElementTree.parse(junit).getroot().iter("testcase")
        assert len(list(cases)) == len(done.json["checks"])
        assert sorted(path.name for path in folder.iterdir()) == ["conftest.py", "test_hosts.py"]
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)


def test_the_text_names_a_host_without_power(site: Site) -> None:
    site.lab("cut", "web2")
    try:
        done = site.hactl("verify")
        assert done.code == 4, done
        assert max(map(len, done.out.splitlines())) <= 80
        assert re.search(r"^web1 .* ok$", done.out, re.MULTILINE)
        assert re.search(r"^web2 .* failed$", done.out, re.MULTILINE)
        assert done.out.count("web2: ") >= 1
        assert "Traceback" not in done.out
    finally:
        site.lab("boot", "web2")
        site.forget("web2")
    settle(site)
