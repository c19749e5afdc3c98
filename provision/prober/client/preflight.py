"""Whether a service answers as it is expected to, tried once before the load begins."""

from __future__ import annotations

import socket
import threading

from provision.prober.client.connections import head, stays_open
from provision.prober.client.exchange import MAX_ANSWER_BYTES, Exchange
from provision.prober.client.load import RESET_ON_CLOSE, LoadService

ANSWER_TIMEOUT = 2.0
"""Seconds to wait for each answer."""


def try_all(services: list[LoadService]) -> list[str]:
    """Talk to the services, to all at once; returns what each said where it was no good answer.

    Such a one is asked for plain connections from now on.
    """
    said = [""] * len(services)

    def attempt(at: int, asked: Exchange) -> None:
        said[at] = _try(services[at], asked)

    pairs = [(at, each.talk) for at, each in enumerate(services) if each.talk]
    threads = [threading.Thread(target=attempt, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def _try(service: LoadService, asked: Exchange) -> str:
    try:
        answer = _exchange(service, asked.request, asked.length)
        if asked.good(answer):
            if service.path:
                answer = _exchange(
                    service, head(service.path, service.host), MAX_ANSWER_BYTES, b"\r\n\r\n"
                )
                service.persistent = stays_open(answer)
            return ""
        said = (
            answer.split(b"\r\n")[0][:60].decode("ascii", "replace") or "it closed the connection"
        )
    except OSError as error:
        said = error.strerror or str(error)
    service.talk = None
    return "".join(letter if letter.isprintable() else "?" for letter in said)


def _exchange(service: LoadService, request: bytes, length: int, end: bytes | None = None) -> bytes:
    """The beginning of the answer to a request: `length` bytes, or up to `end` or the close of the connection."""
    with socket.create_connection(service.target, ANSWER_TIMEOUT) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.sendall(request)
        answer = b""
        while len(answer) < length and not (end and end in answer):
            data = sock.recv(MAX_ANSWER_BYTES)
            if not data:
                break
            answer += data
    return answer
