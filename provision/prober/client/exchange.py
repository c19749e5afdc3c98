"""The first exchange of a connection: the request, and the beginning of a good answer."""

from __future__ import annotations

import contextlib
import struct
from typing import Callable, NamedTuple

MAX_ANSWER_BYTES = 16384
"""Bytes after which a request counts as answered: big pages must not fill the network."""

CORRELATION_ID = 0x6861
"""The number that a Kafka broker repeats in its answer."""

TLS_INTERVAL = 19
"""One of so many connections sends a TLS ClientHello. It is a prime: round robin hits all servers.

A handshake takes milliseconds of the server's processor. 200 a second would be a load test, which a
cold Java process fails.
"""


class Exchange(NamedTuple):
    """A request, and the test of its answer.

    The answer is complete after `length` bytes or the end of the connection. `good` tests its first
    bytes. One of `every` connections sends the request; the others are good once they are open.
    """

    request: bytes
    good: Callable[[bytes], bool]
    length: int
    every: int = 1


def of(opening: str, path: str | None, host: str) -> Exchange | None:
    """Return the exchange `tls` or `kafka`, else a GET of `path`; None for plain connections."""
    if opening == "tls":
        return Exchange(client_hello(host), server_hello, 6, TLS_INTERVAL)
    if opening == "kafka":
        return Exchange(api_versions(), good_api_versions, 10)
    return Exchange(get(path, host), good_answer, MAX_ANSWER_BYTES) if path else None


def get(path: str, host: str) -> bytes:
    """Return a request after whose answer the server closes the connection."""
    headers = f"Host: {host}\r\nUser-Agent: hactl\r\nConnection: close\r\n"
    return f"GET {path} HTTP/1.0\r\n{headers}\r\n".encode()


def good_answer(head: bytes) -> bool:
    """Whether an answer begins as HTTP 2xx or 3xx."""
    return head[:5] == b"HTTP/" and head[8:9] == b" " and head[9:10] in (b"2", b"3")


def client_hello(host: str) -> bytes:
    """Return a TLS ClientHello (RFC 8446 §4.1.2). A server that answers it can do handshakes."""
    import ssl  # only here: a small Python may not have it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):  # the ClientHello is written
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host or None).do_handshake()
    return outgoing.read()


def server_hello(head: bytes) -> bool:
    """Whether an answer begins with a ServerHello and not with an alert (RFC 8446 §5.1, §4.1.3)."""
    return head[:2] == b"\x16\x03" and head[5:6] == b"\x02"


def api_versions() -> bytes:
    """Return Kafka's request ApiVersions, version 0 (kafka.apache.org/protocol).

    Every broker answers it before a login.
    """
    request = struct.pack(">hhih", 18, 0, CORRELATION_ID, 5) + b"hactl"
    return struct.pack(">i", len(request)) + request


def good_api_versions(head: bytes) -> bool:
    """Whether an answer belongs to that request and has no error."""
    return len(head) >= 10 and struct.unpack(">ih", head[4:10]) == (CORRELATION_ID, 0)
