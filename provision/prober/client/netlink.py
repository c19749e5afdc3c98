"""The kernel's routes and neighbours, over rtnetlink(7): without a program, for both families."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_GETROUTE, RTM_GETNEIGH = 26, 30
RTN_UNICAST, RTN_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_VIA = 1, 4, 5, 7, 18
NDA_DST, NDA_LLADDR = 1, 2
HEADER = struct.Struct("=IHHII")


class Route(NamedTuple):
    """The route to an address: interface, source address and gateway (empty: none).

    `interface` is empty if there is no route. `device` is its index. `own` is true if the address
    belongs to the client.
    """

    interface: str
    device: int
    gateway: str
    source: str
    own: bool


NO_ROUTE = Route("", 0, "", "", False)


def route(address: str) -> Route:
    """Return the kernel's present route to `address`."""
    packed = ipaddress.ip_address(address).packed
    family, bits = (socket.AF_INET, 32) if len(packed) == 4 else (socket.AF_INET6, 128)
    body = struct.pack("=BBBBBBBBI", family, bits, 0, 0, 0, 0, 0, 0, 0) + _attribute(
        RTA_DST, packed
    )
    for payload in _ask(RTM_GETROUTE, 0, body):
        attributes = dict(_attributes(payload[12:]))
        if payload[7] not in (RTN_UNICAST, RTN_LOCAL) or RTA_OIF not in attributes:
            return NO_ROUTE
        index = struct.unpack("=I", attributes[RTA_OIF])[0]
        gateway = attributes.get(
            RTA_GATEWAY, attributes.get(RTA_VIA, b"\0\0")[2:] if RTA_VIA in attributes else b""
        )
        name = socket.if_indextoname(index)
        return Route(
            name,
            index,
            _text(gateway),
            _text(attributes.get(RTA_PREFSRC, b"")),
            payload[7] == RTN_LOCAL,
        )
    return NO_ROUTE


def neighbour(address: str, index: int) -> str:
    """Return the hardware address that the kernel has for `address` on an interface, or ""."""
    packed = ipaddress.ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    for payload in _ask(
        RTM_GETNEIGH, NLM_F_DUMP, struct.pack("=BBHiHBB", family, 0, 0, 0, 0, 0, 0)
    ):
        attributes = dict(_attributes(payload[12:]))
        if struct.unpack_from("=i", payload, 4)[0] == index and attributes.get(NDA_DST) == packed:
            return ":".join(f"{byte:02x}" for byte in attributes.get(NDA_LLADDR, b""))
    return ""


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:length]
        data = data[max(4, (length + 3) & ~3) :]


def _text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if packed else ""


def _ask(kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """Yield the payloads of the kernel's answer; none for an error such as `no route`."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.settimeout(2)
        sock.bind((0, 0))
        sock.send(HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = sock.recv(1 << 18)
            while len(data) >= HEADER.size:
                length, answer, _, _, _ = HEADER.unpack_from(data)
                if answer in (NLMSG_ERROR, NLMSG_DONE):
                    return
                yield data[HEADER.size : length]
                data = data[(length + 3) & ~3 :]
            if not flags & NLM_F_DUMP:
                return
