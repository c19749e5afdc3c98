"""The first exchange of a connection: what a service is asked, and what a good answer begins with."""

from __future__ import annotations

import contextlib
import struct
from typing import Callable, NamedTuple

MAX_ANSWER_BYTES = 16384
"""Bytes of an answer after which it counts as answered: big pages must not fill the network."""

CORRELATION = 0x6861
"""What a Kafka broker repeats in its answer."""


SPARSE = 19
"""Of so many connections one is greeted over TLS: a prime, so that schedulers that take turns send it to every server.

A greeting costs a server milliseconds of its processor. 200 a second would be a load test, and a cold Java fails it.
"""


class Exchange(NamedTuple):
    """`request` is answered once `length` bytes have come, or the service closed; `good` judges the first of them.

    One connection of `every` is asked; the others are good once they are open.
    """

    request: bytes
    good: Callable[[bytes], bool]
    length: int
    every: int = 1


def of(opening: str, path: str | None, host: str) -> Exchange | None:
    """The talk that `opening` names, `tls` or `kafka`; else a GET of `path`, or None for plain connections."""
    if opening == "tls":
        return Exchange(client_hello(host), server_hello, 6, SPARSE)
    if opening == "kafka":
        return Exchange(api_versions(), versions_told, 10)
    return Exchange(get(path, host), good_answer, MAX_ANSWER_BYTES) if path else None


def get(path: str, host: str) -> bytes:
    """A request after whose answer the server closes."""
    return f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: hactl\r\nConnection: close\r\n\r\n".encode()


def good_answer(head: bytes) -> bool:
    """Whether an answer begins as HTTP 2xx or 3xx does."""
    return head[:5] == b"HTTP/" and head[8:9] == b" " and head[9:10] in (b"2", b"3")


def client_hello(host: str) -> bytes:
    """The first words of a TLS client (RFC 8446 §4.1.2). Who answers them has done most of a handshake's work."""
    import ssl  # only where it is needed: a small Python may be without it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):  # it has spoken, and waits
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host or None).do_handshake()
    return outgoing.read()


def server_hello(head: bytes) -> bool:
    """Whether an answer begins with a record that holds a ServerHello (RFC 8446 §5.1, §4.1.3), and no alert."""
    return head[:2] == b"\x16\x03" and head[5:6] == b"\x02"


def api_versions() -> bytes:
    """Kafka's request ApiVersions, version 0, which every broker answers before a login (kafka.apache.org/protocol)."""
    request = struct.pack(">hhih", 18, 0, CORRELATION, 5) + b"hactl"
    return struct.pack(">i", len(request)) + request


def versions_told(head: bytes) -> bool:
    """Whether an answer is to that request, and no error."""
    return len(head) >= 10 and struct.unpack(">ih", head[4:10]) == (CORRELATION, 0)
