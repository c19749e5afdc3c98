"""What goes over the wire, as pure data."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.facts import Facts, Interface
from provision.desired.items import Address, DesiredHost, File, Sysctl, Unit
from provision.hosts.protocol import (
    BOOTSTRAP,
    LedgerEntry,
    LockHolder,
    ProtocolError,
    decode_facts,
    decode_ledger,
    decode_line,
    decode_lock,
    encode_ledger,
    encode_line,
    encode_program,
    encode_request,
    sysctl_path,
)

FORBIDDEN = "\x00\n\x1f"
fields = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters=FORBIDDEN)),
        st.binary()
        .map(lambda raw: raw.decode("utf-8", "surrogateescape"))
        .filter(lambda t: not set(t) & set(FORBIDDEN)),
        st.sampled_from(["$(reboot)", "`id`", "a'b\"c", "-rf", "\\", "*", "\t", "", " "]),
    ).filter(
        lambda text: (
            not any("\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in text)
        )
    ),
    min_size=1,
)


@given(fields)
def test_a_line_comes_back_as_it_was(line: list[str]) -> None:
    assert decode_line(encode_line(*line)) == tuple(line)


@given(st.text(), st.sampled_from(FORBIDDEN), st.text())
def test_what_would_break_a_line_is_refused(before: str, bad: str, after: str) -> None:
    with pytest.raises(ProtocolError, match="control character"):
        encode_line("file", before + bad + after)


@given(st.lists(st.builds(lambda line: LedgerEntry(line[0], line[0], tuple(line[1:])), fields)))
def test_a_ledger_comes_back_as_it_was(entries: list[LedgerEntry]) -> None:
    lines = encode_ledger(entries).split(b"\n")[:-1]
    assert [decode_ledger(decode_line(line)[1:]) for line in lines] == entries


def test_a_damaged_ledger_is_refused() -> None:
    with pytest.raises(ProtocolError, match="ledger is damaged"):
        decode_ledger(["file"])


def test_a_request() -> None:
    desired = DesiredHost(
        "web1",
        (
            File("/etc/a b", b"x", unit="k.service"),
            Unit("k.service", check="k check"),
            Unit("plain.service"),
            Sysctl("net.ipv4.ip_forward", "1"),
            Address("10.0.0.1/32", "lo"),
        ),
    )
    ledger = [
        LedgerEntry("file", "/etc/a b"),
        LedgerEntry("file", "/etc/old"),
        LedgerEntry("sysctl", "vm.swappiness"),
    ]
    length, _, body = encode_request(desired, ledger).partition(b"\n")
    assert int(length) == len(body)
    assert body.decode().split("\n")[:-1] == [
        f"file\x1f/etc/a b\x1f{File('', b'x').sha256}",
        "unit\x1fk.service\x1fk check\x1f/etc/a b",
        "unit\x1fplain.service\x1f",
        "sysctl\x1fnet.ipv4.ip_forward\x1f/proc/sys/net/ipv4/ip_forward",
        "address\x1f10.0.0.1/32",
        "file\x1f/etc/old\x1f-",
        "sysctl\x1fvm.swappiness\x1f/proc/sys/vm/swappiness",
    ]


def test_a_request_for_nothing_is_still_read() -> None:
    assert encode_request(DesiredHost("web1")) == b"1\n\n"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.conf.eth0.arp_ignore", "/proc/sys/net/ipv4/conf/eth0/arp_ignore"),
        ("net.ipv4.conf.eth0/100.arp_ignore", "/proc/sys/net/ipv4/conf/eth0.100/arp_ignore"),
        ("kernel.hostname", "/proc/sys/kernel/hostname"),
    ],
)
def test_the_file_of_a_kernel_parameter(name: str, path: str) -> None:
    assert sysctl_path(name) == path


@given(st.text())
def test_a_kernel_parameter_never_leaves_proc_sys(name: str) -> None:
    try:
        path = Path(sysctl_path(name))
    except ProtocolError:
        return
    assert path.is_relative_to("/proc/sys") and ".." not in path.parts


@pytest.mark.parametrize(
    "name", ["", "..", "net..ipv4", "/net", "net/../../etc/passwd", "net.ipv4;x", "a b"]
)
def test_what_is_no_kernel_parameter(name: str) -> None:
    with pytest.raises(ProtocolError):
        sysctl_path(name)


def test_facts_and_what_is_not_known_yet() -> None:
    lines = [
        ("os_family", "redhat"),
        ("interface", "eth0", "10.0.0.1/8", "fd00::1/64"),
        ("interface", "eth1"),
        ("network_scripts", "yes"),
        ("news", "of a later agent"),
        ("firewall", "firewalld"),
    ]
    assert decode_facts(lines) == Facts(
        os_family="redhat",
        os_id="",
        os_version="",
        interfaces=(Interface("eth0", ("10.0.0.1/8", "fd00::1/64")), Interface("eth1")),
        firewall="firewalld",
        network_scripts=True,
        selinux="",
    )


def test_a_lock_with_and_without_its_owner() -> None:
    assert decode_lock(["kim", "2026", "yes"]) == LockHolder("kim", "2026", True)
    assert decode_lock([]) == LockHolder("", "", False)


def test_a_program_is_measured_in_bytes() -> None:
    assert encode_program("echo ä\n") == b"8\necho \xc3\xa4\n"


def test_the_bootstrap_is_safe_in_every_login_shell() -> None:
    assert not set(BOOTSTRAP) & set("'!\\\n#`")
