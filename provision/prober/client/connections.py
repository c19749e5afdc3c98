"""Long-lived connections, which a failover may break although it answers new requests again.

The pool visits its connections in turn, about once a second. A visit opens a connection, sends a
request, or finds that the connection is lost.
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
"""Seconds without an answer or an acknowledgement after which a connection is lost."""

OPEN_TIMEOUT = 3.0
"""Seconds after which the prober gives up an attempt to open a connection."""

CLOSED, OPENED, IDLE, WAITING = range(4)


def head(path: str, host: str) -> bytes:
    """Return a request whose answer has no body and keeps the connection open (RFC 9110 §9.3.2)."""
    return f"HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hactl\r\n\r\n".encode()


def stays_open(answer: bytes) -> bool:
    """Whether the header of an answer says that the server keeps the connection (RFC 9112 §9.3)."""
    lines = answer.lower().split(b"\r\n")
    closing = any(line.startswith(b"connection:") and b"close" in line for line in lines)
    return lines[0].startswith(b"http/1.1") and not closing


class LongLivedConnection:
    """One long-lived connection. Its events go to the pool's `changes`."""

    def __init__(self, pool: ConnectionPool, index: int, service: LoadService) -> None:
        self.pool = pool
        self.index = index
        self.service = service
        self.state = CLOSED
        self.since = 0.0
        self.number = 0
        self.sock: socket.socket | None = None
        self.answer = b""

    def visit(self, now: float) -> None:
        """Open the connection, send a request, or give it up."""
        if self.state == CLOSED:
            self._open(now)
        elif self.state == OPENED and now - self.since > OPEN_TIMEOUT:
            self._end("")
        elif self.state == WAITING and now - self.since > LOSS_TIMEOUT:
            self._end("timeout")
        elif self.state == IDLE and self.service.persistent:
            self.ask(now)

    def ask(self, now: float) -> None:
        """Send a request."""
        assert self.sock is not None
        self.state, self.since, self.answer = WAITING, now, b""
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
        self.pool.handlers[sock.fileno()] = self.ready
        code = sock.connect_ex(self.service.target)
        if code in (0, errno.EINPROGRESS):
            self.pool.poll.register(sock, select.EPOLLOUT)
        else:
            error_of(code)
            self._end("")

    def ready(self) -> None:
        """Handle an event of the socket: it is connected, has data, or is broken."""
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
        self.number = self.pool.opened(self)
        self.pool.poll.modify(sock, select.EPOLLIN)

    def _read(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(4096)
        except BlockingIOError:
            return
        if not data:
            self._end("answer" if self.state == WAITING else "closed")
        elif self.state == WAITING:
            self.answer = (self.answer + data)[-8192:]
            if b"\r\n\r\n" in self.answer:
                self.state = IDLE
                if not stays_open(self.answer):
                    self._end("closed")

    def _end(self, error: str) -> None:
        """Close the connection.

        `error` is `closed` in good order, the kind of loss, or empty if it was never open.
        """
        sock = self.sock
        assert sock is not None
        if self.state != OPENED:
            self.pool.changes.append([error, self.number, time.monotonic()])
            self.pool.alive -= 1
        self.state, self.sock = CLOSED, None
        if self.pool.handlers.pop(sock.fileno(), None):
            with contextlib.suppress(OSError):  # it was not registered yet
                self.pool.poll.unregister(sock)
        sock.close()

    def silent(self) -> float:
        """Return the seconds since the last acknowledgement of the server.

        It is `tcpi_last_ack_recv` in `tcp_info` of linux/tcp.h.
        """
        assert self.sock is not None
        try:
            information = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        except OSError:
            return 0.0
        return float(struct.unpack_from("=I", information, 56)[0]) / 1000

    def give_up(self) -> None:
        """Count the connection as lost, unless the server has answered."""
        if self.state == WAITING or (self.state == IDLE and self.awaited()):
            self._end("timeout")

    def awaited(self) -> bool:
        """Whether an answer or the acknowledgement of a keepalive packet is missing.

        There is a keepalive packet each second.
        """
        return self.state == WAITING or (
            self.state == IDLE and not self.service.persistent and self.silent() > 1.5
        )


class ConnectionPool:
    """All long-lived connections, spread over the services.

    `changes` are lists of event, number, time, and the service's index for the event `open`.
    """

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
            LongLivedConnection(self, number % len(services), services[number % len(services)])
            for number in range(count)
        ]

    def schedule(self, begin: float) -> None:
        """Set the time at which the first visit is due."""
        self.begin = begin

    def next_due(self) -> float:
        """Return the time at which the next visit is due."""
        return self.begin + self.visits / len(self.all) if self.all else float("inf")

    def turn(self, now: float) -> None:
        """Make the visits that are due."""
        while self.next_due() <= now:
            self.all[self.visits % len(self.all)].visit(now)
            self.visits += 1

    def opened(self, connection: LongLivedConnection) -> int:
        """Record that a connection is open, and return its number."""
        self.alive += 1
        self.numbers += 1
        self.changes.append(["open", self.numbers, time.monotonic(), connection.index])
        return self.numbers

    def ask_all(self, now: float) -> None:
        """Send a last request on all idle connections that can have one."""
        for connection in self.all:
            if connection.state == IDLE and connection.service.persistent:
                connection.ask(now)

    def awaited(self) -> bool:
        """Whether a connection still misses an answer."""
        return any(connection.awaited() for connection in self.all)

    def give_up(self) -> None:
        """Count the connections that miss an answer as lost."""
        for connection in self.all:
            connection.give_up()
