"""The long-lived connections: what a failover breaks although every new request is answered again.

One after the other is visited, each about once a second: opened, asked, or found to be dead.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from typing import Any

from provision.prober.client.load import RESET_ON_CLOSE, Handlers, LoadService, error_of

LOSS_TIMEOUT = 10.0
"""Seconds without an answer, or without acknowledgement, after which a connection is lost."""

OPENING = 3.0
"""Seconds after which an attempt to open one is given up; it was no connection yet."""

CLOSED, OPENED, IDLE, ASKED = range(4)


def head(path: str, host: str) -> bytes:
    """A request whose answer has no body and leaves the connection open (RFC 9110 §9.3.2)."""
    return f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hactl\r\n\r\n".encode()


def stays_open(answer: bytes) -> bool:
    """Whether the server says, in an answer's header, that it keeps the connection (RFC 9112 §9.3)."""
    lines = answer.lower().split(b"\r\n")
    closing = any(line.startswith(b"connection:") and b"close" in line for line in lines)
    return lines[0].startswith(b"http/1.1") and not closing


class LongLivedConnection:
    """One long-lived connection; `changes` gets what becomes of it."""

    def __init__(self, crowd: ConnectionPool, index: int, service: LoadService) -> None:
        self.crowd = crowd
        self.index = index
        self.service = service
        self.state = CLOSED
        self.since = 0.0
        self.number = 0
        self.sock: socket.socket | None = None
        self.answer = b""

    def visit(self, now: float) -> None:
        """Do what is due."""
        if self.state == CLOSED:
            self._open(now)
        elif self.state == OPENED and now - self.since > OPENING:
            self._end("")
        elif self.state == ASKED and now - self.since > LOSS_TIMEOUT:
            self._end("timeout")
        elif self.state == IDLE and self.service.persistent:
            self.ask(now)

    def ask(self, now: float) -> None:
        """Send a request."""
        assert self.sock is not None
        self.state, self.since, self.answer = ASKED, now, b""
        try:
            self.sock.send(head(self.service.path or "/", self.service.host))
        except OSError as error:
            self._end(error_of(error.errno or errno.ECONNRESET))

    def _open(self, now: float) -> None:
        sock = self.sock = socket.socket(
            self.service.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        )
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, 1),
            (socket.TCP_KEEPINTVL, 1),
            (socket.TCP_KEEPCNT, int(LOSS_TIMEOUT)),
            (socket.TCP_USER_TIMEOUT, int(LOSS_TIMEOUT * 1000)),
        ):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        self.state, self.since = OPENED, now
        self.crowd.handlers[sock.fileno()] = self.ready
        code = sock.connect_ex(self.service.target)
        if code in (0, errno.EINPROGRESS):
            self.crowd.poll.register(sock, select.EPOLLOUT)
        else:
            error_of(code)
            self._end("")

    def ready(self) -> None:
        """It is connected, has something to read, or broke."""
        assert self.sock is not None
        try:
            if self.state == OPENED:
                self._opened(self.sock)
            else:
                self._read(self.sock)
        except OSError as error:
            self._end(error_of(error.errno or errno.ECONNRESET))

    def _opened(self, sock: socket.socket) -> None:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._end("")
            return
        self.state = IDLE
        self.number = self.crowd.opened(self)
        self.crowd.poll.modify(sock, select.EPOLLIN)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return
        if not data:
            self._end("answer" if self.state == ASKED else "closed")
        elif self.state == ASKED:
            self.answer = (self.answer + data)[-8192:]
            if b"\r\n\r\n" in self.answer:
                self.state = IDLE
                if not stays_open(self.answer):
                    self._end("closed")

    def _end(self, error: str) -> None:
        """Close it: `closed` in good order, any other word is how it was lost, nothing where it never was open."""
        sock = self.sock
        assert sock is not None
        if self.state != OPENED:
            self.crowd.changes.append([error, self.number, time.monotonic()])
            self.crowd.alive -= 1
        self.state, self.sock = CLOSED, None
        if self.crowd.handlers.pop(sock.fileno(), None):
            with contextlib.suppress(OSError):  # it never got there
                self.crowd.poll.unregister(sock)
        sock.close()

    def silent(self) -> float:
        """Seconds since the other side acknowledged anything (tcp_info of linux/tcp.h: tcpi_last_ack_recv)."""
        assert self.sock is not None
        try:
            information = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except OSError:
            return 0.0
        return float(struct.unpack_from("=I", information, 56)[0]) / 1000

    def give_up(self) -> None:
        """Count it as lost, unless it has shown that it lives."""
        if self.state == ASKED or (self.state == IDLE and self.awaited()):
            self._end("timeout")

    def awaited(self) -> bool:
        """Whether a sign of life is missing: an answer, or an acknowledgement of a keepalive packet, one a second."""
        return self.state == ASKED or (
            self.state == IDLE and not self.service.persistent and self.silent() > 1.5
        )


class ConnectionPool:
    """All of them, spread over the services. `changes` are lists: what, number, time, and the service for `open`."""

    def __init__(
        self, poll: select.epoll, handlers: Handlers, services: list[LoadService], count: int
    ) -> None:
        self.poll = poll
        self.handlers = handlers
        self.changes: list[list[Any]] = []
        self.alive = 0
        self.numbers = 0
        self.visits = 0
        self.all = [
            LongLivedConnection(self, at % len(services), services[at % len(services)])
            for at in range(count)
        ]

    def schedule(self, begin: float) -> None:
        """The first visit is due at `begin`."""
        self.begin = begin

    def next_due(self) -> float:
        """When the next visit is due."""
        return self.begin + self.visits / len(self.all) if self.all else float("inf")

    def turn(self, now: float) -> None:
        """Make the visits that are due."""
        while self.next_due() <= now:
            self.all[self.visits % len(self.all)].visit(now)
            self.visits += 1

    def opened(self, lasting: LongLivedConnection) -> int:
        """Note that one is open; returns its number."""
        self.alive += 1
        self.numbers += 1
        self.changes.append(["open", self.numbers, time.monotonic(), lasting.index])
        return self.numbers

    def ask_all(self, now: float) -> None:
        """Ask each that can be asked, for a last time."""
        for lasting in self.all:
            if lasting.state == IDLE and lasting.service.persistent:
                lasting.ask(now)

    def awaited(self) -> bool:
        """Whether a sign of life of any is missing."""
        return any(lasting.awaited() for lasting in self.all)

    def give_up(self) -> None:
        """Count all as lost that show no sign of life."""
        for lasting in self.all:
            lasting.give_up()
