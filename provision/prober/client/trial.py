"""Whether a service answers HTTP, tried once before the load begins."""

from __future__ import annotations

import socket
import threading

from provision.prober.client.lasting import head, stays_open
from provision.prober.client.load import ENOUGH, RESET_ON_CLOSE, Service, good_answer

PATIENCE = 2.0
"""Seconds to wait for each answer."""


def try_all(services: list[Service]) -> list[str]:
    """Try the services' paths, all at once; returns what each said where it was no good answer.

    A service without one is asked for plain connections from now on.
    """
    said = [""] * len(services)

    def attempt(at: int) -> None:
        said[at] = _try(services[at])

    threads = [threading.Thread(target=attempt, args=(at,)) for at, each in enumerate(services) if each.path]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def _try(service: Service) -> str:
    path = service.path or "/"
    try:
        answer = _talk(service, service.request, None)
        if good_answer(answer):
            service.persistent = stays_open(_talk(service, head(path, service.host), b"\r\n\r\n"))
            return ""
        said = answer.split(b"\r\n")[0][:60].decode("ascii", "replace") or "it closed the connection"
    except OSError as error:
        said = error.strerror or str(error)
    service.request = b""
    return "".join(letter if letter.isprintable() else "?" for letter in said)


def _talk(service: Service, request: bytes, end: bytes | None) -> bytes:
    """The beginning of the answer to a request; without `end`, up to the close of the connection."""
    with socket.create_connection(service.target, PATIENCE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        sock.sendall(request)
        answer = b""
        while len(answer) < ENOUGH and not (end and end in answer):
            data = sock.recv(ENOUGH)
            if not data:
                break
            answer += data
    return answer
