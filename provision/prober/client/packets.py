"""Builds and parses Ethernet frames: ARP, neighbour discovery, VRRP, first TCP segments. Pure.

RFC 826 (ARP), RFC 4861 §4 (neighbour messages), RFC 5798 §5.2 (VRRP 3), RFC 3768 §5.3 (VRRP 2),
RFC 9293 §3.1 (TCP).
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple, Union

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, AH, ICMPV6, VRRP = 6, 51, 58, 112
SOLICITATION, ADVERTISEMENT = 135, 136
SYN, RST, ACK = 0x02, 0x04, 0x10
BROADCAST = b"\xff" * 6


class AdvertPacket(NamedTuple):
    """A VRRP advert."""

    source: str
    vrid: int
    priority: int
    version: int


class GratuitousArp(NamedTuple):
    """A claim: `mac` announces without a request that it has `address`."""

    address: str
    mac: str


class Owner(NamedTuple):
    """An answer: `mac` has `address`."""

    address: str
    mac: str


class Segment(NamedTuple):
    """A TCP segment. `mac` is the sender's."""

    mac: str
    source: str
    port: int
    to_port: int
    flags: int
    acknowledged: int


Packet = Union[AdvertPacket, GratuitousArp, Owner, Segment]


def mac_text(mac: bytes) -> str:
    """Return a hardware address as text: `02:00:00:00:00:01`."""
    return ":".join(f"{byte:02x}" for byte in mac)


def mac_bytes(mac: str) -> bytes:
    """Return the six bytes of a hardware address."""
    return bytes(int(part, 16) for part in mac.split(":"))


def who_has(mac: bytes, source: str, target: str) -> bytes:
    """Return the frame that asks for the owner of `target`: ARP or neighbour solicitation."""
    packed = _packed(target)
    if len(packed) == 4:
        body = struct.pack("!HHBBH", 1, IPV4, 6, 4, 1) + mac + _packed(source) + b"\0" * 6 + packed
        return BROADCAST + mac + struct.pack("!H", ARP) + body
    group = _packed("ff02::1:ff00:0")[:13] + packed[13:]
    message = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + packed + b"\x01\x01" + mac
    return _ip(b"\x33\x33" + group[12:], mac, _packed(source), group, ICMPV6, message, 2)


def tcp(
    macs: tuple[bytes, bytes],
    addresses: tuple[str, str],
    ports: tuple[int, int],
    sequence: int,
    flags: int,
) -> bytes:
    """Return the frame of a TCP segment without data. The pairs are source and target."""
    options = struct.pack("!BBH", 2, 4, 1400) if flags & SYN else b""
    length = (20 + len(options)) // 4
    segment = struct.pack(
        "!HHIIBBHHH", *ports, sequence, 0, length << 4, flags, 65535 if flags & SYN else 0, 0, 0
    )
    return _ip(
        macs[1], macs[0], _packed(addresses[0]), _packed(addresses[1]), TCP, segment + options, 16
    )


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _ip(
    to: bytes, mac: bytes, source: bytes, target: bytes, protocol: int, payload: bytes, at: int
) -> bytes:
    """Return an Ethernet frame with an IP packet.

    The payload's checksum, which includes the pseudo-header, is written at its offset `at`.
    """
    pseudo = source + target + struct.pack("!II", len(payload), protocol)
    payload = payload[:at] + _checksum(pseudo + payload) + payload[at + 2 :]
    if len(source) == 16:
        header = struct.pack("!IHBB", 0x60000000, len(payload), protocol, 255) + source + target
        return to + mac + struct.pack("!H", IPV6) + header + payload
    header = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
        + source
        + target
    )
    header = header[:10] + _checksum(header) + header[12:]
    return to + mac + struct.pack("!H", IPV4) + header + payload


def _checksum(data: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071)."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def parse(frame: bytes) -> Packet | None:
    """Return the packet in a frame, None if it is of another kind or truncated."""
    try:
        kind = struct.unpack_from("!H", frame, 12)[0]
        if kind == ARP:
            return _arp(frame[14:])
        if kind == IPV4:
            size = (frame[14] & 15) * 4
            end = 14 + struct.unpack_from("!H", frame, 16)[0]
            return _payload(frame, frame[26:30], frame[23], frame[14 + size : end])
        if kind == IPV6:
            end = 54 + struct.unpack_from("!H", frame, 18)[0]
            return _payload(frame, frame[22:38], frame[20], frame[54:end])
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _arp(body: bytes) -> Packet | None:
    hardware, protocol, size, length, operation = struct.unpack_from("!HHBBH", body)
    if (
        (hardware, protocol, size, length) != (1, IPV4, 6, 4)
        or len(body) < 28
        or not any(body[14:18])
    ):
        return None
    address, mac = str(ipaddress.ip_address(body[14:18])), mac_text(body[8:14])
    if body[14:18] == body[24:28]:
        return GratuitousArp(address, mac)
    return Owner(address, mac) if operation == 2 else None


def _payload(frame: bytes, source: bytes, protocol: int, data: bytes) -> Packet | None:
    if protocol == AH:
        protocol, data = data[0], data[(data[1] + 2) * 4 :]
    sender = str(ipaddress.ip_address(source))
    if protocol == VRRP and data[0] & 15 == 1:
        return AdvertPacket(sender, data[1], data[2], data[0] >> 4)
    if protocol == ICMPV6 and data[0] == ADVERTISEMENT and len(data) >= 24:
        return _neighbour(frame, data)
    if protocol == TCP:
        port, to_port, _, acknowledged, _, flags = struct.unpack_from("!HHIIBB", data)
        return Segment(mac_text(frame[6:12]), sender, port, to_port, flags, acknowledged)
    return None


def _neighbour(frame: bytes, data: bytes) -> Packet:
    """Read a neighbour advertisement. Its flag `solicited` (0x40) tells an answer from a claim."""
    mac = frame[6:12]
    options = data[24:]
    while len(options) >= 8 and options[1]:
        if options[0] == 2:
            mac = options[2:8]
        options = options[options[1] * 8 :]
    kind = Owner if data[4] & 0x40 else GratuitousArp
    return kind(str(ipaddress.ip_address(data[8:24])), mac_text(mac))
