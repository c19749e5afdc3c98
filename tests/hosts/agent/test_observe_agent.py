"""What the observe agent sees, on a scratch root."""

from __future__ import annotations

import os
import time

import pytest

from provision.core.errors import HostError
from provision.core.facts import Facts, Interface
from provision.desired.items import Address, DesiredHost, File, Item, Module, Package, Sysctl, Unit
from provision.hosts.agent.observe import Observed, observe
from provision.hosts.protocol import LedgerEntry, encode_ledger
from tests.hosts.agent.local import GROUP, ME, LocalHost

pytestmark = pytest.mark.agent


def look(host: LocalHost, *items: Item) -> Observed:
    return observe(host, lambda _facts: DesiredHost("web1", items))[1]


def attributes(host: LocalHost, item: Item) -> object:
    return look(host, item).items[item.kind, item.name].attributes


def test_facts(host: LocalHost) -> None:
    assert look(host).facts == Facts(
        os_family="debian",
        os_id="debian",
        os_version="12",
        hostname="web1",
        kernel="6.1.0-31-cloud-amd64",
        interfaces=(
            Interface("eth0", ("192.168.227.103/24", "fd00::103/64")),
            Interface("eth1", ("10.0.0.3/8",)),
        ),
        default_interface="eth0",
        keepalived_version="2.2.7",
        firewall="none",
        network_scripts=False,
        selinux="disabled",
    )


def test_facts_of_a_red_hat_host(host: LocalHost) -> None:
    host.write("etc/os-release", 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n')
    host.write("etc/sysconfig/network-scripts/ifup", "")
    host.write("sys/fs/selinux/enforce", "1")
    host.write("packages", "")
    facts = look(host).facts
    assert (facts.os_family, facts.os_version, facts.network_scripts) == ("redhat", "9.4", True)
    assert facts.selinux == "enforcing"


RULESETS = {
    "nothing": ("", "none"),
    "accepts": (
        "table inet f {\n\tchain input {\n"
        "\t\ttype filter hook input priority filter; policy accept;\n\t}\n}",
        "none",
    ),
    "policy": (
        "table inet f {\n\tchain i {\n"
        "\t\ttype filter hook input priority filter; policy drop;\n\t}\n}",
        "nftables",
    ),
    "rule": (
        "table ip f {\n\tchain i {\n\t\ttype filter hook input priority 0; policy accept;\n"
        "\t\ttcp dport 22 accept\n"
        "\t\tcounter packets 0 bytes 0 reject with icmp type admin-prohibited\n\t}\n}",
        "nftables",
    ),
    "jump": (
        "table ip f {\n\tchain i {\n\t\ttype filter hook input priority 0; policy accept;\n"
        '\t\tiifname "eth0" jump sub\n\t}\n'
        "\tchain sub {\n\t\tip saddr 10.0.0.0/8 drop\n\t}\n}",
        "nftables",
    ),
    "forward only": (
        "table ip f {\n\tchain fw {\n\t\ttype filter hook forward priority 0; policy drop;\n\t}\n}",
        "none",
    ),
}


@pytest.mark.parametrize("name", RULESETS)
def test_a_host_filters_when_an_input_chain_can_refuse(host: LocalHost, name: str) -> None:
    ruleset, expected = RULESETS[name]
    host.write("ruleset", ruleset)
    (host.bin / "nft").write_text('#!/bin/sh\ncat "$HACTL_ROOT/ruleset"\n')
    (host.bin / "nft").chmod(0o755)
    assert look(host).facts.firewall == expected


def test_a_file_as_desired_is_not_sent_back(host: LocalHost) -> None:
    desired = File("/etc/motd", b"hello\n", owner=ME, group=GROUP)
    host.write("/etc/motd", desired.content).chmod(0o644)
    item = look(host, desired).items["file", "/etc/motd"]
    assert item.attributes == desired.attributes()
    assert item.content is None


def test_a_file_that_differs_comes_with_its_bytes(host: LocalHost) -> None:
    content = bytes(range(256)) * 3 + b"end\nfile\x1fx"
    host.write("/etc/odd name$(id)'\"\\", content).chmod(0o4750)
    odd = File("/etc/odd name$(id)'\"\\", b"new")
    observed = look(host, odd, File("/etc/absent", b""), Package("dash"))
    item = observed.items["file", odd.name]
    assert item.content == content
    assert item.attributes is not None and item.attributes["mode"] == "4750"
    assert observed.items["file", "/etc/absent"].attributes is None
    assert observed.items["package", "dash"].attributes == {}


def test_a_large_file_is_named_but_not_sent(host: LocalHost) -> None:
    host.write("/etc/big", b"x" * (1 << 20) + b"x")
    item = look(host, File("/etc/big", b"")).items["file", "/etc/big"]
    assert item.content is None and item.attributes is not None


def test_a_symbolic_link_or_folder_is_other(host: LocalHost) -> None:
    host.write("/etc/target", "secret")
    (host.root / "etc/link").symlink_to("target")
    (host.root / "etc/dangling").symlink_to("nowhere")
    (host.root / "etc/folder").mkdir()
    names = ["/etc/link", "/etc/dangling", "/etc/folder"]
    observed = look(host, *(File(name, b"") for name in names))
    assert [observed.items["file", name].attributes for name in names] == [{"type": "other"}] * 3


def test_sysctls_are_read_whole_with_their_blanks_folded(host: LocalHost) -> None:
    host.write("proc/sys/net/ipv4/conf/eth0.100/arp_ignore", "2\n")
    assert attributes(host, Sysctl("net.ipv4.tcp_rmem", "")) == {"value": "4096 131072 6291456"}
    assert attributes(host, Sysctl("net.ipv4.conf.eth0/100.arp_ignore", "")) == {"value": "2"}
    assert attributes(host, Sysctl("net.ipv4.no_such", "1")) is None


def test_addresses_and_their_devices(host: LocalHost) -> None:
    assert attributes(host, Address("192.168.227.20/32", "lo")) == {"device": "lo"}
    assert attributes(host, Address("fd00::103/64", "eth0")) == {"device": "eth0"}
    assert attributes(host, Address("192.168.227.2/32", "lo")) is None
    assert attributes(host, Address("192.168.227.103/32", "eth0")) is None


def test_packages_count_when_installed(host: LocalHost) -> None:
    observed = look(
        host, *(Package(name) for name in ("keepalived", "held", "nginx", "keep", "das."))
    )
    there = {name for (_, name), item in observed.items.items() if item.attributes is not None}
    assert there == {"keepalived", "held"}


def test_modules_loaded_or_built_in(host: LocalHost) -> None:
    (host.root / "sys/module/ip_vs").mkdir()
    host.write("lib/modules/6.1.0-31-cloud-amd64/modules.builtin", "kernel/net/ipv4/tunnel4.ko\n")
    observed = look(host, *(Module(name) for name in ("ip_vs", "ip-vs", "tunnel4", "ip_vs_rr")))
    there = {name for (_, name), item in observed.items.items() if item.attributes is not None}
    assert there == {"ip_vs", "ip-vs", "tunnel4"}


def test_units(host: LocalHost) -> None:
    host.unit("a.service")
    host.unit("b.service", enabled="")
    host.unit("c.service", active="")
    names = ["a.service", "none.service", "b.service", "c.service"]
    observed = look(host, *(Unit(name) for name in names))
    states = [tuple((observed.items["unit", name].attributes or {}).values()) for name in names]
    assert states == [
        ("yes", "yes", "yes"),
        ("no", "no", "yes"),
        ("no", "yes", "yes"),
        ("yes", "no", "yes"),
    ]


class TestCurrent:
    """Does a unit run what is installed?"""

    desired = (File("/etc/k.conf", b"new\n", unit="k.service"), Unit("k.service"))

    def current(self, host: LocalHost, *more: Item) -> str:
        item = look(host, *self.desired, *more).items["unit", "k.service"].attributes
        assert item is not None
        return item["current"]

    def started(self, host: LocalHost, ago: float) -> None:
        """The unit began `ago` seconds ago, on a machine that booted 1000 seconds ago."""
        host.unit("k.service", began=str(int((1000.5 - ago) * 1_000_000)))

    def stamp(self, host: LocalHost, invocation: str, digest: str) -> None:
        """Of when the unit was as it is now."""
        loaded = (host.root / "units/k.service/began").read_text()
        host.write("run/hactl/loaded/k.service", f"{invocation} {loaded}\n{digest} /etc/k.conf\n")

    def reloaded(self, host: LocalHost, ago: float) -> None:
        """By hand, `ago` seconds ago."""
        host.write("units/k.service/changed", str(int((1000.5 - ago) * 1_000_000)))

    def test_started_after_the_file_was_written(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        time.sleep(2.1)
        self.started(host, ago=0)
        assert self.current(host) == "yes"

    def test_started_before_the_file_was_written(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        os.utime(
            host.root / "etc/k.conf", (0, 0)
        )  # an old mtime does not deceive: the ctime counts
        self.started(host, ago=30)
        assert self.current(host) == "no"

    def test_a_stamp_of_this_process_decides(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        self.started(host, ago=30)
        self.stamp(host, "inv77", File("/etc/k.conf", b"new\n").sha256)
        assert self.current(host) == "yes"
        self.stamp(host, "inv77", File("/etc/k.conf", b"old\n").sha256)
        assert self.current(host) == "no"

    def test_a_stamp_of_an_earlier_process_does_not(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        self.started(host, ago=30)
        self.stamp(host, "inv12", File("/etc/k.conf", b"new\n").sha256)
        assert self.current(host) == "no"

    def test_edited_by_hand_and_reloaded_and_put_back(self, host: LocalHost) -> None:
        """The file is right, but the unit has loaded another: its last state change is older."""
        host.write("etc/k.conf", "new\n")
        self.started(host, ago=30)
        self.stamp(host, "inv77", File("/etc/k.conf", b"new\n").sha256)
        self.reloaded(host, ago=10)
        assert self.current(host) == "no"

    def test_reloaded_by_hand_with_the_right_file(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        time.sleep(2.1)
        self.started(host, ago=30)
        self.stamp(host, "inv77", File("/etc/k.conf", b"new\n").sha256)
        self.reloaded(host, ago=0)
        assert self.current(host) == "yes"

    def test_a_stamp_made_at_boot_is_about_whatever_started_later(self, host: LocalHost) -> None:
        host.write("etc/k.conf", "new\n")
        self.started(host, ago=1)
        digest = File("/etc/k.conf", b"new\n").sha256
        for ago, expected in ((2, "yes"), (0, "no")):
            loaded = int((1000.5 - ago) * 1_000_000)
            host.write("run/hactl/loaded/k.service", f"boot {loaded}\n{digest} /etc/k.conf\n")
            assert self.current(host) == expected

    def test_its_check_has_the_last_word(self, host: LocalHost) -> None:
        self.started(host, ago=0)
        for command, expected in (
            ("test -d /", "yes"),
            ("test -f /", "no"),
            ("no-such-command", "no"),
        ):
            observed = look(host, Unit("k.service", check=command)).items["unit", "k.service"]
            assert (observed.attributes or {})["current"] == expected, command


def test_the_ledger_is_shown_and_what_it_names_is_looked_at(host: LocalHost) -> None:
    ledger = (
        LedgerEntry("file", "/etc/old", ("a" * 64,)),
        LedgerEntry("sysctl", "net.ipv4.ip_forward", ("", "x")),
        LedgerEntry("address", "192.168.227.20/32", ("lo", "lo:5")),
    )
    host.write("var/lib/hactl/ledger", encode_ledger(ledger))
    host.write("etc/old", "not to be sent")
    observed = look(host)
    assert observed.ledger == ledger
    assert observed.items["file", "/etc/old"].content is None
    assert observed.items["sysctl", "net.ipv4.ip_forward"].attributes == {"value": "0"}
    assert observed.items["address", "192.168.227.20/32"].attributes == {"device": "lo"}


def test_a_lock_is_reported_with_whether_its_holder_lives(host: LocalHost) -> None:
    host.write("run/hactl/lock/owner", f"kim@ops\x1f2026-01-01T00:00:00Z\x1f{os.getpid()}\n")
    lock = look(host).lock
    assert lock is not None
    assert (lock.who, lock.since, lock.alive) == ("kim@ops", "2026-01-01T00:00:00Z", True)
    host.write("run/hactl/lock/owner", "kim@ops\x1f2026-01-01T00:00:00Z\x1f4194999\n")
    lock = look(host).lock
    assert lock is not None and not lock.alive


def test_a_missing_tool_is_named(host: LocalHost) -> None:
    (host.bin / "ip").unlink()
    host.env["PATH"] = str(host.bin)
    for tool in ("dd", "cat"):
        (host.bin / tool).symlink_to(f"/bin/{tool}")
    with pytest.raises(HostError, match="the tool ip is missing"):
        look(host)


def test_nothing_is_changed(host: LocalHost) -> None:
    host.unit("k.service")
    before = host.snapshot()
    look(
        host,
        Unit("k.service"),
        File("/etc/x", b"1"),
        Sysctl("net.ipv4.ip_forward", "1"),
        Address("10.9.9.9/32", "lo"),
    )
    assert host.snapshot() == before
    assert host.calls() == []
