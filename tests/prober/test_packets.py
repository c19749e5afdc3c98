"""Frames: what is made is read back, and nothing that comes from the wire can hurt."""

from __future__ import annotations

import ast
import ipaddress
import struct
from importlib import resources

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provision.prober import program
from provision.prober.client import packets
from provision.prober.client.packets import AdvertPacket, GratuitousArp, Owner, Segment

OURS, THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
PORTS = st.integers(0, 65535)


def ip4(protocol: int, payload: bytes) -> bytes:
    """A frame from 10.0.0.1."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 255, protocol, 0)
    return OURS + THEIRS + b"\x08\x00" + header + bytes([10, 0, 0, 1, 224, 0, 0, 18]) + payload


def arp(operation: int, sender: str, target: str) -> bytes:
    ends = [ipaddress.ip_address(address).packed for address in (sender, target)]
    fixed = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return OURS + THEIRS + b"\x08\x06" + fixed + THEIRS + ends[0] + bytes(6) + ends[1]


def test_an_advert_is_read_in_both_versions() -> None:
    assert packets.parse(ip4(112, b"\x31\x0a\x64\x01\x00\x14")) == AdvertPacket(
        "10.0.0.1", 10, 100, 3
    )
    assert packets.parse(ip4(112, b"\x21\x0a\x00\x01\x00\x01")) == AdvertPacket(
        "10.0.0.1", 10, 0, 2
    )


def test_an_advert_inside_an_authentication_header_is_read() -> None:
    """RFC 4302 §2: next header, its length in words less two."""
    header = struct.pack("!BBHII", 112, 4, 0, 1, 1) + bytes(12)
    assert packets.parse(ip4(51, header + b"\x21\x0a\x64\x01")) == AdvertPacket(
        "10.0.0.1", 10, 100, 2
    )


def test_a_gratuitous_packet_is_a_claim_and_a_reply_an_answer() -> None:
    mac = "02:00:00:00:00:02"
    assert packets.parse(arp(1, "10.0.0.9", "10.0.0.9")) == GratuitousArp("10.0.0.9", mac)
    assert packets.parse(arp(2, "10.0.0.9", "10.0.0.9")) == GratuitousArp("10.0.0.9", mac)
    assert packets.parse(arp(2, "10.0.0.9", "10.0.0.1")) == Owner("10.0.0.9", mac)
    assert packets.parse(arp(1, "10.0.0.9", "10.0.0.1")) is None
    probe = arp(1, "0.0.0.0", "10.0.0.9")  # noqa: S104
    assert packets.parse(probe) is None, "a probe for a free address claims nothing"


@pytest.mark.parametrize(
    ("flags", "kind"), [(0x60, Owner), (0x20, GratuitousArp), (0xA0, GratuitousArp)]
)
def test_a_neighbour_advertisement_says_by_its_flag_whether_it_was_asked_for(
    flags: int, kind: type
) -> None:
    message = (
        struct.pack("!BBHI", 136, 0, 0, flags << 24)
        + ipaddress.ip_address("fd00::9").packed
        + b"\x02\x01"
        + OURS
    )
    header = struct.pack("!IHBB", 0x60000000, len(message), 58, 255) + bytes(32)
    assert packets.parse(OURS + THEIRS + b"\x86\xdd" + header + message) == kind(
        "fd00::9", "02:00:00:00:00:01"
    )


@given(source=ADDRESSES, ports=st.tuples(PORTS, PORTS), sequence=st.integers(0, 2**32 - 1))
def test_a_segment_that_is_made_is_read_back(
    source: str, ports: tuple[int, int], sequence: int
) -> None:
    frame = packets.tcp((OURS, THEIRS), (source, source), ports, sequence, packets.SYN)
    read = packets.parse(frame)
    assert read == Segment("02:00:00:00:00:01", source, *ports, packets.SYN, 0)
    start = 14 + (40 if ":" in source else 20)
    pseudo = ipaddress.ip_address(source).packed * 2 + struct.pack("!II", len(frame) - start, 6)
    words = struct.unpack(f"!{len(pseudo + frame[start:]) // 2}H", pseudo + frame[start:])
    assert sum(words) % 0xFFFF == 0, (
        "the checksum makes the sum zero in ones' complement (RFC 1071)"
    )


@given(st.binary(max_size=120), st.sampled_from([b"\x08\x06", b"\x08\x00", b"\x86\xdd"]))
@example(bytes.fromhex("450000140000000000330000") + bytes(8), b"\x08\x00")
def test_rubbish_is_passed_over(body: bytes, kind: bytes) -> None:
    packets.parse(OURS + THEIRS + kind + body)
    packets.parse(body)


@pytest.mark.parametrize("name", program.MODULES)
def test_the_client_may_be_as_old_as_python_3_7(name: str) -> None:
    """Its syntax, that it brings all it needs, and that no annotation is inspected there."""
    text = resources.files(program.PACKAGE).joinpath(f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    sources = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [source for source in sources if source and source.startswith("provision")]
    assert all(source.startswith(program.PACKAGE) for source in ours)
    assert "__future__" in sources
