"""Network queries: all are sent at once, and the answers are collected for a fixed time."""

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

ANSWER_WINDOW = 0.6
"""Seconds to wait for answers. Every question is sent twice in it, since a frame may be lost."""

RESEND_DELAY = 0.25
"""Seconds after which a question is sent again."""

NO_RAW_SOCKETS = "the prober may not use raw sockets there (CAP_NET_RAW)"


class PendingQuestion:
    """A question with its `answer` so far. `capture` is its interface, None if it is not sent."""

    def __init__(self, question: dict[str, Any], captures: CaptureSockets) -> None:
        self.kind = question["kind"]
        self.address = question.get("address", "")
        self.answer: dict[str, Any] = {"macs": []}
        self.capture: CaptureSocket | None = None
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
            self._prepare(question, captures)

    def _problem(self) -> str:
        if not self.route.interface:
            return f"the client has no route to {self.address}"
        if self.route.own:
            return f"{self.address} is an address of the client itself"
        if self.route.gateway:
            return (
                f"{self.address} is not on a network of the client's: "
                f"it is reached through {self.route.gateway}"
            )
        return ""

    def _prepare(self, question: dict[str, Any], captures: CaptureSockets) -> None:
        try:
            self.capture = captures.on(self.route)
        except PermissionError:
            self.answer["problem"] = NO_RAW_SOCKETS
            return
        except OSError as error:
            self.answer["problem"] = str(error)
            return
        if self.kind == "by-mac":
            # The kernel reserves a bound port, and refuses connections to it, since nobody listens.
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            self.reserved = socket.socket(family, socket.SOCK_STREAM)
            self.reserved.bind((self.route.source, 0))
            self.mac = question["mac"].lower()
            self.ports = (self.reserved.getsockname()[1], question["port"])
            self.sequence = struct.unpack("=I", os.urandom(4))[0]
            self.answer["reply"] = "silent"

    def send(self) -> None:
        """Send the question, unless it is answered."""
        if self.capture is None or self.answer.get("reply", "silent") != "silent":
            return
        if self.kind == "who-has":
            self.capture.send(packets.who_has(self.capture.mac, self.route.source, self.address))
        else:
            self._segment(self.sequence, packets.SYN)

    def _segment(self, sequence: int, flags: int) -> None:
        assert self.capture is not None
        macs = (self.capture.mac, packets.mac_bytes(self.mac))
        self.capture.send(
            packets.tcp(macs, (self.route.source, self.address), self.ports, sequence, flags)
        )

    def take(self, capture: CaptureSocket, captured: CapturedPacket) -> None:
        """Take a packet that may be the answer."""
        packet = captured.packet
        if capture is not self.capture:
            return
        if (
            self.kind == "who-has"
            and isinstance(packet, packets.Owner)
            and packet.address == self.address
        ):
            if captured.to_us and packet.mac not in self.answer["macs"]:
                self.answer["macs"].append(packet.mac)
        elif self.kind == "by-mac" and isinstance(packet, packets.Segment):
            ends = (packet.source, packet.port, packet.to_port)
            if ends == (self.address, self.ports[1], self.ports[0]):
                self._replied(packet)

    def _replied(self, packet: packets.Segment) -> None:
        next_sequence = (self.sequence + 1) & 0xFFFFFFFF
        if packet.acknowledged != next_sequence:
            return
        if packet.mac != self.mac:
            if packet.mac not in self.answer["macs"]:
                self.answer["macs"].append(packet.mac)
        elif packet.flags & packets.SYN:
            self.answer["reply"] = "syn-ack"
            # The kernel's RST would go to the director, and leave the connection half-open.
            self._segment(next_sequence, packets.RST)
        else:
            self.answer["reply"] = "rst"

    def close(self) -> None:
        """Release the port."""
        if self.reserved is not None:
            self.reserved.close()


class CaptureSockets:
    """The capture sockets by interface."""

    def __init__(self) -> None:
        self.by_name: dict[str, CaptureSocket] = {}

    def on(self, route: netlink.Route) -> CaptureSocket:
        """Return the capture socket of a route's interface, opened if necessary."""
        if route.interface not in self.by_name:
            self.by_name[route.interface] = CaptureSocket(route.interface, route.device, tcp=True)
        return self.by_name[route.interface]

    def close(self) -> None:
        """Close all capture sockets."""
        for capture in self.by_name.values():
            capture.close()


def ask(questions: list[dict[str, Any]], window: float = ANSWER_WINDOW) -> dict[str, Any]:
    """Return the answers of `window` seconds, and the adverts and claims since `begin`.

    The client listens on the interfaces of the other questions' addresses, else on every Ethernet
    interface.
    """
    captures = CaptureSockets()
    pending: list[PendingQuestion] = []
    heard: list[CapturedPacket] = []
    problem = ""
    try:
        pending = [PendingQuestion(question, captures) for question in questions]
        seconds = max(
            [question["seconds"] for question in questions if question["kind"] == "listen"],
            default=0.0,
        )
        if seconds:
            addresses = [question.address for question in pending if question.address]
            problem = _listen(captures, addresses)
        begin = time.monotonic()
        _collect(captures, pending, heard, max(seconds, window if captures.by_name else 0.0))
    finally:
        for question in pending:
            question.close()
        captures.close()
    answers = [question.answer for question in pending]
    return {"answers": answers, "begin": begin, "heard": lines(heard), "problem": problem}


def _listen(captures: CaptureSockets, addresses: list[str]) -> str:
    """Open the interfaces to listen on. Return the problem that prevents it, else ""."""
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
            captures.on(route)
        except PermissionError:
            return NO_RAW_SOCKETS
        except OSError:  # the loopback or a tunnel is not Ethernet
            continue
    return "" if captures.by_name else problem


def _collect(
    captures: CaptureSockets,
    pending: list[PendingQuestion],
    heard: list[CapturedPacket],
    seconds: float,
) -> None:
    begin = time.monotonic()
    sends = [begin, begin + min(RESEND_DELAY, seconds / 2)]
    by_sock = {capture.sock: capture for capture in captures.by_name.values()}
    while True:
        now = time.monotonic()
        if sends and now >= sends[0]:
            sends.pop(0)
            for question in pending:
                question.send()
        wait = min([begin + seconds, *sends]) - time.monotonic()
        if now >= begin + seconds:
            return
        for sock in select.select(list(by_sock), [], [], max(0.0, wait))[0]:
            for captured in by_sock[sock].receive():
                heard.append(captured)
                for question in pending:
                    question.take(by_sock[sock], captured)


def lines(heard: Iterable[CapturedPacket]) -> list[list[Any]]:
    """Return adverts and claims as they are sent to the controller."""
    rows = []
    for captured in heard:
        if isinstance(captured.packet, packets.AdvertPacket):
            rows.append(["advert", captured.at, *captured.packet])
        elif isinstance(captured.packet, packets.GratuitousArp):
            rows.append(["claim", captured.at, *captured.packet])
    return rows
