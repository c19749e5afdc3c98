"""A packet(7) socket that captures adverts, claims and answers before the client's firewall."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from provision.prober.client import packets

ETHERNET = 1
ETH_P_ALL = 3
SO_ATTACH_FILTER, SO_TIMESTAMPNS = 26, 35
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI = 263, 1, 2
VRRP_GROUP, VRRP_GROUP6 = "224.0.0.18", "ff02::12"
LOAD_WORD, LOAD_HALF, LOAD_BYTE, LOAD_BYTE_X, LOAD_LENGTH_X = 0x20, 0x28, 0x30, 0x50, 0xB1
EQUAL, ANY_BIT, RETURN = 0x15, 0x45, 0x06
# The kernel's fields of a packet: linux/filter.h, SKF_AD_*.
PACKET_TYPE, VLAN_PRESENT = 0xFFFFF004, 0xFFFFF030


class CapturedPacket(NamedTuple):
    """A packet, its monotonic time `at`, and whether its frame was for this host alone."""

    at: float
    packet: packets.Packet
    to_us: bool


def accepted(tcp: bool) -> bytes:
    """Return a filter (classic BPF) for ARP, VRRP and neighbour advertisements.

    With `tcp` it accepts segments with SYN or RST, too. It rejects outgoing packets, and packets of
    a VLAN above the interface, whose tag the kernel has removed.
    """
    segment = packets.TCP if tcp else 255
    code = [
        (LOAD_WORD, 0, 0, PACKET_TYPE),
        (EQUAL, 21, 0, socket.PACKET_OUTGOING),
        (LOAD_WORD, 0, 0, VLAN_PRESENT),
        (EQUAL, 0, 19, 0),
        (LOAD_HALF, 0, 0, 12),
        (EQUAL, 18, 0, packets.ARP),
        (EQUAL, 0, 7, packets.IPV4),
        (LOAD_BYTE, 0, 0, 23),
        (EQUAL, 15, 0, packets.VRRP),
        (EQUAL, 14, 0, packets.AH),
        (EQUAL, 0, 12, segment),
        (LOAD_LENGTH_X, 0, 0, 14),
        (LOAD_BYTE_X, 0, 0, 27),
        (ANY_BIT, 10, 9, packets.SYN | packets.RST),
        (EQUAL, 0, 8, packets.IPV6),
        (LOAD_BYTE, 0, 0, 20),
        (EQUAL, 7, 0, packets.VRRP),
        (EQUAL, 0, 2, segment),
        (LOAD_BYTE, 0, 0, 67),
        (ANY_BIT, 4, 3, packets.SYN | packets.RST),
        (EQUAL, 0, 2, packets.ICMPV6),
        (LOAD_BYTE, 0, 0, 54),
        (EQUAL, 1, 0, packets.ADVERTISEMENT),
        (RETURN, 0, 0, 0),
        (RETURN, 0, 0, 0xFFFF),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


class CaptureSocket:
    """A capture on one interface.

    Raises:
        PermissionError: the process has no CAP_NET_RAW.
        OSError: the interface is not Ethernet.
    """

    def __init__(self, interface: str, index: int, tcp: bool = False) -> None:
        self.interface = interface
        # Protocol 0 receives nothing: no packet can come before the filter is set.
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.groups: list[socket.socket] = []
        try:
            self._filter(accepted(tcp))
            self.sock.bind((interface, ETH_P_ALL))
            self.mac = self.sock.getsockname()[4]
            if self.sock.getsockname()[3] != ETHERNET:
                raise OSError(f"{interface} is not an Ethernet interface")
            self.sock.setblocking(False)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._join(index)
        except BaseException:
            self.close()
            raise

    def _filter(self, code: bytes) -> None:
        text = ctypes.create_string_buffer(code)
        program = struct.pack("@HP", len(code) // 8, ctypes.addressof(text))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def _join(self, index: int) -> None:
        """Join VRRP's groups, so that a switch with IGMP or MLD snooping sends the adverts here."""
        allmulti = struct.pack("=iHH8s", index, PACKET_MR_ALLMULTI, 0, b"")
        self.sock.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, allmulti)
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                member = socket.socket(family, socket.SOCK_DGRAM)
                self.groups.append(member)
                if family == socket.AF_INET:
                    group = socket.inet_aton(VRRP_GROUP) + struct.pack("=4si", b"", index)
                    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
                else:
                    group = socket.inet_pton(family, VRRP_GROUP6) + struct.pack("=i", index)
                    member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
            except OSError:  # a disabled address family has no adverts either
                pass

    def receive(self) -> Iterator[CapturedPacket]:
        """Yield the packets that have come."""
        while True:
            try:
                frame, ancillary, _, address = self.sock.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError:  # the interface is down; the socket works again when it comes back
                return
            packet = packets.parse(frame)
            if packet is not None:
                yield CapturedPacket(_moment(ancillary), packet, address[2] == socket.PACKET_HOST)

    def send(self, frame: bytes) -> None:
        """Send a frame."""
        self.sock.send(frame)

    def close(self) -> None:
        """Leave the groups and the interface."""
        for sock in (self.sock, *self.groups):
            sock.close()


def _moment(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return the kernel's time stamp of a packet, which is wall time, as monotonic time."""
    now = time.monotonic()
    for level, kind, data in ancillary:
        if (
            level == socket.SOL_SOCKET
            and kind == SO_TIMESTAMPNS
            and len(data) == struct.calcsize("@ll")
        ):
            seconds, nanoseconds = struct.unpack("@ll", data)
            age: float = time.time() - seconds - nanoseconds * 1e-9
            if 0 <= age < 1:  # else somebody has set the wall clock
                return now - age
    return now
