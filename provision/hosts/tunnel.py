"""An HTTP proxy on the loopback interface, through SSH logins (CONNECT, RFC 9110 §9.3.6).

Client libraries must reach servers beside the hosts, such as brokers. SSH may be the only way.
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
"""Seconds for a client's request, and for the connection that it requests."""

CHUNK = 65536
MAX_REQUEST_BYTES = 4096
"""Maximum bytes of a request."""


class Stream(Protocol):
    """A connection: a socket or an SSH channel."""

    def recv(self, count: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def shutdown(self, how: int, /) -> object: ...
    def close(self) -> object: ...


Dial = Callable[[str, int], Stream]
"""Connects to a host and port. Raises HostError if it cannot connect."""


@contextmanager
def tunnel(dial: Dial) -> Iterator[str]:
    """Run a proxy until the block ends; gives its URL. The password keeps other local users out."""
    password = secrets.token_urlsafe(18)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        proxy = _Proxy(server, dial, password)
        threading.Thread(target=proxy.serve, name="tunnel", daemon=True).start()
        try:
            yield f"http://hactl:{password}@127.0.0.1:{server.getsockname()[1]}"
        finally:
            proxy.close()


def connect_through(url: str, host: str, port: int) -> socket.socket:
    """Connect to `host` and `port` through the proxy at `url`.

    Raises:
        OSError: the proxy cannot connect; `strerror` is the reason that the proxy gives.
    """
    proxy = urlsplit(url)
    connection = socket.create_connection((proxy.hostname or "", proxy.port or 0), REQUEST_TIMEOUT)
    try:
        login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        request = (
            f"CONNECT {endpoint.join(host, port)} HTTP/1.1\r\n"
            f"Proxy-Authorization: Basic {login}\r\n\r\n"
        )
        connection.settimeout(2 * REQUEST_TIMEOUT)
        connection.sendall(request.encode())
        status = _head(connection).split("\r\n")[0]
    except BaseException:
        connection.close()
        raise
    if " 200 " in status:
        return connection
    connection.close()
    raise ConnectionRefusedError(111, status.split(" ", 2)[-1])


def _head(connection: socket.socket) -> str:
    """Read a request or an answer up to its empty line.

    It is read byte by byte: the bytes after it belong to the connection itself.
    """
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(data) > MAX_REQUEST_BYTES:
            raise ConnectionError("no request")
        data += byte
    return data.decode("latin-1")


class _Proxy:
    """Accepts connections until it is closed, and then ends the open ones."""

    def __init__(self, server: socket.socket, dial: Dial, password: str) -> None:
        self._server, self._dial = server, dial
        self._login = "Basic " + base64.b64encode(f"hactl:{password}".encode()).decode()
        self._open: set[Stream] = set()
        self._lock = threading.Lock()
        self._closed = False

    def serve(self) -> None:
        """Accept connections, and serve each of them in a thread."""
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve_client, args=(connection,), name="tunnel", daemon=True
            ).start()

    def close(self) -> None:
        """Stop accepting, and end all connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # close() alone leaves accept() waiting
        with self._lock:
            self._closed = True
            streams = list(self._open)
        for stream in streams:
            _end(stream)

    def _serve_client(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), self._tracked(near):
            near.settimeout(REQUEST_TIMEOUT)
            host, port = self._read_request(near)
            try:
                far = self._dial(host, port)
            except HostError as error:
                near.sendall(f"HTTP/1.1 502 {error.line()}\r\n\r\n".encode("latin-1", "replace"))
                return
            with self._tracked(far):
                near.sendall(b"HTTP/1.1 200 connected\r\n\r\n")
                near.settimeout(None)
                back = threading.Thread(target=_pump, args=(far, near), name="tunnel", daemon=True)
                back.start()
                _pump(near, far)
                back.join()

    @contextmanager
    def _tracked(self, stream: Stream) -> Iterator[None]:
        """End the stream with the proxy, or at the end of the block."""
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

    def _read_request(self, near: socket.socket) -> tuple[str, int]:
        """Return the host and port of a request.

        Raises:
            ConnectionError: the request was refused, and the client has the answer.
        """
        request, *headers = _head(near).split("\r\n")
        login = next(
            (
                header[20:].strip()
                for header in headers
                if header.lower().startswith("proxy-authorization:")
            ),
            "",
        )
        if not secrets.compare_digest(login.encode(), self._login.encode()):
            near.sendall(b"HTTP/1.1 407 who are you\r\n\r\n")
            raise ConnectionError("a stranger")
        method, destination, _ = (*request.split(" "), "", "", "")[:3]
        host, port = endpoint.split(destination)
        if method != "CONNECT" or not port.isdecimal():
            near.sendall(b"HTTP/1.1 400 CONNECT HOST:PORT\r\n\r\n")
            raise ConnectionError("another request")
        return host, int(port)


def _pump(source: Stream, sink: Stream) -> None:
    """Copy bytes from source to sink until the source ends, and then end the sink's input."""
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
