"""The load, an open loop: request n is due at t0 + n × cadence / services, answered or not.

A closed loop waits for an answer before its next request, and so hides an outage behind a single
slow request.
"""

from __future__ import annotations

import collections
import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Dict

from provision.prober.client import exchange

RESET_ON_CLOSE = struct.pack("@ii", 1, 0)
"""SO_LINGER 0: no socket waits in TIME_WAIT, and IPVS forgets the connection in 10 s."""

ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EACCES: "unreachable",
    errno.EPERM: "unreachable",
}
Handlers = Dict[int, "Callable[[], None]"]
"""Functions to call for events on file descriptors."""

CLIENT_ERRORS = (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The client has no more resources. They end the prober, since its figures would be wrong."""


def error_of(code: int) -> str:
    """Return the word of record.py for an errno. Raises OSError for the client's own errors."""
    if code in CLIENT_ERRORS:
        raise OSError(code, "the client cannot open more connections")
    return ERRORS.get(code, "unreachable")


class LoadService:
    """A service to probe. `exchange` is None for plain connections."""

    def __init__(
        self, address: str, port: int, path: str | None, host: str, opening: str = ""
    ) -> None:
        self.target = (address, port)
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.path = path
        self.host = host or (f"[{address}]" if ":" in address else address)
        self.exchange = exchange.of(opening, path, host if opening else self.host)
        self.persistent = False


class LoadRequest:
    """A request without an end."""

    __slots__ = ("answered", "connected", "due", "exchange", "head", "number", "service", "sock")

    def __init__(self, number: int, turn: int, due: float, service: LoadService) -> None:
        self.number = number
        self.due = due
        self.service = service
        is_turn = service.exchange and turn % service.exchange.every == 0
        self.exchange = service.exchange if is_turn else None
        self.connected: float | None = None
        self.head = b""
        self.answered = 0
        self.sock: socket.socket | None = None


class Load:
    """All requests.

    `finished` are lists of number, connect, done and error. `connect` and `done` are whole
    microseconds after the request was due, or None.
    """

    def __init__(self, poll: select.epoll, handlers: Handlers, services: list[LoadService]) -> None:
        self.poll = poll
        self.handlers = handlers
        self.services = services
        self.finished: list[list[Any]] = []
        self.pending: collections.deque[LoadRequest] = collections.deque()
        self.started = 0
        self.late = 0.0

    def schedule(self, begin: float, cadence: float, limit: float) -> None:
        """Set the time of the first request, and the seconds that a request may take."""
        self.begin = begin
        self.step = cadence / len(self.services)
        self.limit = limit

    def next_due(self) -> float:
        """Return the time at which the next request is due."""
        return self.begin + self.started * self.step

    def turn(self, now: float) -> None:
        """Begin every request that is due."""
        while self.next_due() <= now:
            due = self.next_due()
            turn, index = divmod(self.started, len(self.services))
            request = LoadRequest(self.started, turn, due, self.services[index])
            self.started += 1
            self.pending.append(request)
            self._open(request)

    def expire(self, now: float) -> None:
        """Give up requests that have taken too long."""
        while self.pending and (
            self.pending[0].sock is None or self.pending[0].due + self.limit <= now
        ):
            request = self.pending.popleft()
            if request.sock is not None:
                self._end(request, "timeout")

    def unanswered(self) -> bool:
        """Whether a request still has no answer."""
        return any(request.sock is not None for request in self.pending)

    def _open(self, request: LoadRequest) -> None:
        service = request.service
        try:
            sock = socket.socket(service.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            error_of(error.errno or errno.EMFILE)
            raise
        request.sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.late = max(self.late, time.monotonic() - request.due)
        code = sock.connect_ex(service.target)
        if code not in (0, errno.EINPROGRESS):
            self._end(request, error_of(code))
            return
        self.handlers[sock.fileno()] = lambda: self._ready(request)
        self.poll.register(sock, select.EPOLLOUT)

    def _ready(self, request: LoadRequest) -> None:
        assert request.sock is not None
        try:
            if request.connected is None:
                self._connected(request, request.sock)
            else:
                self._read(request, request.sock)
        except OSError as error:
            self._end(request, error_of(error.errno or errno.ECONNRESET))

    def _connected(self, request: LoadRequest, sock: socket.socket) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(request, error_of(code))
            return
        request.connected = time.monotonic()
        if request.exchange is None:
            self._end(request, "", request.connected)
            return
        sock.send(request.exchange.request)
        self.poll.modify(sock, select.EPOLLIN)

    def _read(self, request: LoadRequest, sock: socket.socket) -> None:
        try:
            data = sock.recv(exchange.MAX_ANSWER_BYTES)
        except BlockingIOError:
            return
        if len(request.head) < 12:
            request.head = (request.head + data)[:12]
        request.answered += len(data)
        assert request.exchange is not None
        if not data or request.answered >= request.exchange.length:
            self._end(request, "" if request.exchange.good(request.head) else "answer")

    def _end(self, request: LoadRequest, error: str, at: float = 0.0) -> None:
        sock = request.sock
        assert sock is not None
        request.sock = None
        if self.handlers.pop(sock.fileno(), None):
            self.poll.unregister(sock)
        sock.close()
        connect = (
            None if request.connected is None else round((request.connected - request.due) * 1e6)
        )
        done = None if error == "timeout" else round(((at or time.monotonic()) - request.due) * 1e6)
        self.finished.append([request.number, connect, done, error])
