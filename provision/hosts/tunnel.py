"""A proxy on the loopback interface whose connections leave through SSH logins of hosts (CONNECT, RFC 9110 §9.3.6).

What a client library must reach, brokers for one, lies where the hosts are, where SSH may be the only way to.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from provision.core.errors import HostError
from provision.formats import endpoint

REQUEST_TIMEOUT = 10.0
"""Seconds for a client's request, and for the connection that it asks for."""

CHUNK = 65536
MAX_REQUEST_BYTES = 4096
"""Bytes of a request at most."""


class Stream(Protocol):
    """A connection: a socket, or a channel of SSH."""

    def recv(self, count: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def shutdown(self, how: int, /) -> object: ...
    def close(self) -> object: ...


Dial = Callable[[str, int], Stream]
"""Connects to a host and port. Raises HostError where there is no way."""


@contextmanager
def tunnel(dial: Dial) -> Iterator[str]:
    """The URL of the proxy, which ends with the block. Its password keeps others on this machine out."""
    password = secrets.token_urlsafe(18)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        proxy = _Proxy(server, dial, password)
        threading.Thread(target=proxy.serve, name="tunnel", daemon=True).start()
        try:
            yield f"http://hactl:{password}@127.0.0.1:{server.getsockname()[1]}"
        finally:
            proxy.close()


def connect_through(url: str, host: str, port: int) -> socket.socket:
    """A connection to `host` and `port` through the proxy at `url`.

    Raises:
        OSError: there is no way; `strerror` says why in the words of whoever tried.
    """
    place = urlsplit(url)
    connection = socket.create_connection((place.hostname or "", place.port or 0), REQUEST_TIMEOUT)
    try:
        login = base64.b64encode(f"{place.username}:{place.password}".encode()).decode()
        asked = f"CONNECT {endpoint.join(host, port)} HTTP/1.1\r\nProxy-Authorization: Basic {login}\r\n\r\n"
        connection.settimeout(2 * REQUEST_TIMEOUT)
        connection.sendall(asked.encode())
        status = _head(connection).split("\r\n")[0]
    except BaseException:
        connection.close()
        raise
    if " 200 " in status:
        return connection
    connection.close()
    raise ConnectionRefusedError(111, status.split(" ", 2)[-1])


def _head(connection: socket.socket) -> str:
    """A request or an answer up to its empty line, byte by byte: what follows belongs to whom the way leads to."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(data) > MAX_REQUEST_BYTES:
            raise ConnectionError("no request")
        data += byte
    return data.decode("latin-1")


class _Proxy:
    """Takes connections until it is closed, and then ends those that are open."""

    def __init__(self, server: socket.socket, dial: Dial, password: str) -> None:
        self._server, self._dial = server, dial
        self._login = "Basic " + base64.b64encode(f"hactl:{password}".encode()).decode()
        self._open: set[Stream] = set()
        self._lock = threading.Lock()
        self._closed = False

    def serve(self) -> None:
        """Take connections, each in threads of its own."""
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(
                target=self._take, args=(connection,), name="tunnel", daemon=True
            ).start()

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # close() alone leaves accept() waiting
        with self._lock:
            self._closed = True
            streams = list(self._open)
        for stream in streams:
            _end(stream)

    def _take(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), self._kept(near):
            near.settimeout(REQUEST_TIMEOUT)
            host, port = self._asked(near)
            try:
                far = self._dial(host, port)
            except HostError as error:
                near.sendall(f"HTTP/1.1 502 {error.line()}\r\n\r\n".encode("latin-1", "replace"))
                return
            with self._kept(far):
                near.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
                near.settimeout(None)
                back = threading.Thread(target=_pump, args=(far, near), name="tunnel", daemon=True)
                back.start()
                _pump(near, far)
                back.join()

    @contextmanager
    def _kept(self, stream: Stream) -> Iterator[None]:
        """Have it ended with the proxy, or at the end of the block."""
        with self._lock:
            if self._closed:
                _end(stream)
            self._open.add(stream)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(stream)
            _end(stream)

    def _asked(self, near: socket.socket) -> tuple[str, int]:
        """Where a request leads. Raises ConnectionError, after an answer, for one that is not to be served."""
        words, *headers = _head(near).split("\r\n")
        given = next(
            (
                each[20:].strip()
                for each in headers
                if each.lower().startswith("proxy-authorization:")
            ),
            "",
        )
        if not secrets.compare_digest(given.encode(), self._login.encode()):
            near.sendall(b"HTTP/1.1 407 who are you\r\n\r\n")
            raise ConnectionError("a stranger")
        method, place, _ = (*words.split(" "), "", "", "")[:3]
        host, port = endpoint.split(place)
        if method != "CONNECT" or not port.isdecimal():
            near.sendall(b"HTTP/1.1 400 CONNECT HOST:PORT\r\n\r\n")
            raise ConnectionError("another request")
        return host, int(port)


def _pump(source: Stream, sink: Stream) -> None:
    """Carry bytes one way until there are no more, and say so at the other end."""
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        sink.shutdown(socket.SHUT_WR)


def _end(stream: Stream) -> None:
    with contextlib.suppress(OSError, EOFError):
        stream.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError, EOFError):
        stream.close()
