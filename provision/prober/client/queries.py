"""Questions to the wire: all asked at once, the answers collected until the last of them can have come."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterable
from typing import Any

from provision.prober.client import netlink, packets
from provision.prober.client.listener import CapturedPacket, CaptureSocket

WINDOW = 0.6
"""How long an answer is waited for, in seconds; every question is sent twice within it, a frame may get lost."""

AGAIN = 0.25
NO_RAW_SOCKETS = "the prober may not use raw sockets there (CAP_NET_RAW)"


class Open:
    """A question on its way: `answer` is what goes back, `wire` where it is asked, None where it is not."""

    def __init__(self, question: dict[str, Any], wires: Wires) -> None:
        self.kind = question["kind"]
        self.address = question.get("address", "")
        self.answer: dict[str, Any] = {"macs": []}
        self.wire: CaptureSocket | None = None
        self.reserved: socket.socket | None = None
        if self.kind == "listen":
            return
        self.route = netlink.route(self.address)
        problem = self._problem()
        if self.kind == "on-link":
            self.answer["interface"] = "" if problem else self.route.interface
        elif problem:
            self.answer["problem"] = problem
        elif self.kind == "mac-of":
            self.answer["macs"] = list(
                filter(None, [netlink.neighbour(self.address, self.route.device)])
            )
        else:
            self._prepare(question, wires)

    def _problem(self) -> str:
        if not self.route.interface:
            return f"the client has no route to {self.address}"
        if self.route.own:
            return f"{self.address} is an address of the client itself"
        if self.route.gateway:
            return f"{self.address} is not on a network of the client's: it is reached through {self.route.gateway}"
        return ""

    def _prepare(self, question: dict[str, Any], wires: Wires) -> None:
        try:
            self.wire = wires.on(self.route)
        except PermissionError:
            self.answer["problem"] = NO_RAW_SOCKETS
            return
        except OSError as error:
            self.answer["problem"] = str(error)
            return
        if self.kind == "by-mac":
            # The kernel keeps a bound port for us and refuses what comes to it, as nobody listens there.
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            self.reserved = socket.socket(family, socket.SOCK_STREAM)
            self.reserved.bind((self.route.source, 0))
            self.mac = question["mac"].lower()
            self.ports = (self.reserved.getsockname()[1], question["port"])
            self.sequence = struct.unpack("=I", os.urandom(4))[0]
            self.answer["reply"] = "silent"

    def send(self) -> None:
        """Put the question on the wire, unless it is answered."""
        if self.wire is None or self.answer.get("reply", "silent") != "silent":
            return
        if self.kind == "who-has":
            self.wire.send(packets.who_has(self.wire.mac, self.route.source, self.address))
        else:
            self._segment(self.sequence, packets.SYN)

    def _segment(self, sequence: int, flags: int) -> None:
        assert self.wire is not None
        macs = (self.wire.mac, packets.mac_bytes(self.mac))
        self.wire.send(
            packets.tcp(macs, (self.route.source, self.address), self.ports, sequence, flags)
        )

    def hear(self, wire: CaptureSocket, seen: CapturedPacket) -> None:
        """Take a packet that may be the answer."""
        packet = seen.packet
        if wire is not self.wire:
            return
        if (
            self.kind == "who-has"
            and isinstance(packet, packets.Owner)
            and packet.address == self.address
        ):
            if seen.to_us and packet.mac not in self.answer["macs"]:
                self.answer["macs"].append(packet.mac)
        elif self.kind == "by-mac" and isinstance(packet, packets.Segment):
            ends = (packet.source, packet.port, packet.to_port)
            if ends == (self.address, self.ports[1], self.ports[0]):
                self._replied(packet)

    def _replied(self, packet: packets.Segment) -> None:
        after = (self.sequence + 1) & 0xFFFFFFFF
        if packet.acknowledged != after:
            return
        if packet.mac != self.mac:
            if packet.mac not in self.answer["macs"]:
                self.answer["macs"].append(packet.mac)
        elif packet.flags & packets.SYN:
            self.answer["reply"] = "syn-ack"
            self._segment(
                after, packets.RST
            )  # the kernel's own goes to the director, the half-open one stays here
        else:
            self.answer["reply"] = "rst"

    def close(self) -> None:
        """Give the port back."""
        if self.reserved is not None:
            self.reserved.close()


class Wires:
    """The interfaces in use, each opened once."""

    def __init__(self) -> None:
        self.by_name: dict[str, CaptureSocket] = {}

    def on(self, route: netlink.Route) -> CaptureSocket:
        """The wire that a route leaves by."""
        if route.interface not in self.by_name:
            self.by_name[route.interface] = CaptureSocket(route.interface, route.device, tcp=True)
        return self.by_name[route.interface]

    def close(self) -> None:
        """Close them all."""
        for wire in self.by_name.values():
            wire.close()


def ask(questions: list[dict[str, Any]], window: float = WINDOW) -> dict[str, Any]:
    """The answers, and the adverts and claims heard from `begin` on; answers are waited for `window` seconds.

    They are heard where the other questions' addresses are; without any, on every Ethernet interface.
    """
    wires = Wires()
    asked: list[Open] = []
    heard: list[CapturedPacket] = []
    problem = ""
    try:
        asked = [Open(question, wires) for question in questions]
        seconds = max(
            [question["seconds"] for question in questions if question["kind"] == "listen"],
            default=0.0,
        )
        if seconds:
            problem = _listen(wires, [question.address for question in asked if question.address])
        begin = time.monotonic()
        _collect(wires, asked, heard, max(seconds, window if wires.by_name else 0.0))
    finally:
        for question in asked:
            question.close()
        wires.close()
    answers = [question.answer for question in asked]
    return {"answers": answers, "begin": begin, "heard": lines(heard), "problem": problem}


def _listen(wires: Wires, addresses: list[str]) -> str:
    """Open the interfaces to listen on; returns what keeps us from hearing anything."""
    routes = [
        route
        for route in map(netlink.route, addresses)
        if route.interface and not (route.own or route.gateway)
    ]
    if not addresses:
        routes = [
            netlink.Route(name, index, "", "", False) for index, name in socket.if_nameindex()
        ]
    problem = "the client is on none of the networks to listen on"
    for route in routes:
        try:
            wires.on(route)
        except PermissionError:
            return NO_RAW_SOCKETS
        except OSError:  # the loopback, a tunnel: no Ethernet there
            continue
    return "" if wires.by_name else problem


def _collect(wires: Wires, asked: list[Open], heard: list[CapturedPacket], seconds: float) -> None:
    begin = time.monotonic()
    sends = [begin, begin + min(AGAIN, seconds / 2)]
    by_sock = {wire.sock: wire for wire in wires.by_name.values()}
    while True:
        now = time.monotonic()
        if sends and now >= sends[0]:
            sends.pop(0)
            for question in asked:
                question.send()
        left = (min([begin + seconds, *sends])) - time.monotonic()
        if now >= begin + seconds:
            return
        for sock in select.select(list(by_sock), [], [], max(0.0, left))[0]:
            for seen in by_sock[sock].receive():
                heard.append(seen)
                for question in asked:
                    question.hear(by_sock[sock], seen)


def lines(heard: Iterable[CapturedPacket]) -> list[list[Any]]:
    """Adverts and claims as they go over the wire."""
    found = []
    for seen in heard:
        if isinstance(seen.packet, packets.AdvertPacket):
            found.append(["advert", seen.at, *seen.packet])
        elif isinstance(seen.packet, packets.GratuitousArp):
            found.append(["claim", seen.at, *seen.packet])
    return found
