"""The preflight check: one request to each service before the load begins."""

from __future__ import annotations

import socket
import threading

from provision.prober.client.connections import head, stays_open
from provision.prober.client.exchange import MAX_ANSWER_BYTES, Exchange
from provision.prober.client.load import RESET_ON_CLOSE, LoadService

ANSWER_TIMEOUT = 2.0
"""Seconds to wait for each answer."""


def try_all(services: list[LoadService]) -> list[str]:
    """Send a request to all services at once. Return the answers that are not good, else "".

    A service without a good answer gets plain connections from then on.
    """
    answers = [""] * len(services)

    def attempt(index: int, exchange: Exchange) -> None:
        answers[index] = _try(services[index], exchange)

    pairs = [
        (index, service.exchange) for index, service in enumerate(services) if service.exchange
    ]
    threads = [threading.Thread(target=attempt, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _try(service: LoadService, exchange: Exchange) -> str:
    try:
        answer = _ask(service, exchange.request, exchange.length)
        if exchange.good(answer):
            if service.path:
                request = head(service.path, service.host)
                answer = _ask(service, request, MAX_ANSWER_BYTES, b"\r\n\r\n")
                service.persistent = stays_open(answer)
            return ""
        first_line = answer.split(b"\r\n")[0][:60].decode("ascii", "replace")
        problem = first_line or "it closed the connection"
    except OSError as error:
        problem = error.strerror or str(error)
    service.exchange = None
    return "".join(letter if letter.isprintable() else "?" for letter in problem)


def _ask(service: LoadService, request: bytes, length: int, end: bytes | None = None) -> bytes:
    """Return the beginning of an answer: `length` bytes, or up to `end` or the connection's end."""
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
