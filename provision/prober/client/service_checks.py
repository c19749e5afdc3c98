"""The checks of a rollout between its batches: the owners of addresses and the answers of services.

A look is a line of JSON, and so is its answer. The end of the input ends the program.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from provision.prober.client import queries
from provision.prober.client.exchange import MAX_ANSWER_BYTES
from provision.prober.client.load import ERRORS, RESET_ON_CLOSE, LoadService

TRY_TIMEOUT = 1.5
"""Seconds for one try: a lost SYN is repeated after 1 s (RFC 6298 §2)."""

MAX_PARALLEL_TRIES = 64
"""Maximum number of tries at the same time."""

PAGE, OPEN = "page", "open"
"""Results: a good HTTP answer, and an accepted connection. The other results are load.ERRORS."""


def serve(say: Callable[[dict[str, Any]], None]) -> None:
    """Answer looks until the end of the input."""
    say({"ready": True})
    for line in _lines():
        say(look(json.loads(line)))


def _lines() -> Iterator[bytes]:
    """Yield the lines of standard input as they come."""
    data = b""
    while True:
        *lines, data = data.split(b"\n")
        yield from lines
        chunk = os.read(0, 1 << 16)
        if not chunk:
            return
        data += chunk


def look(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of one look: the network, all services, and the kernel's neighbours last.

    A service whose address has no owner is not tried: the kernel would ask for the owner for
    seconds.
    """
    before = queries.ask(settings["questions"], settings["window"])
    answers = zip(settings["questions"], before["answers"])
    missing = {question["address"] for question, answer in answers if _no_owner(question, answer)}
    services = settings["services"]
    replies: list[list[str]] = [
        ["unreachable"] if fields[0] in missing else [] for fields in services
    ]
    tries = [
        (index, LoadService(*fields)) for index, fields in enumerate(services) if not replies[index]
    ] * settings["tries"]
    threads = [
        threading.Thread(target=_work, args=(tries, replies), daemon=True)
        for _ in tries[:MAX_PARALLEL_TRIES]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = queries.ask(settings["after"])
    return {"answers": before["answers"], "after": after["answers"], "replies": replies}


def _no_owner(question: dict[str, Any], answer: dict[str, Any]) -> bool:
    return question["kind"] == "who-has" and not answer["macs"] and not answer.get("problem")


def _work(tries: list[tuple[int, LoadService]], replies: list[list[str]]) -> None:
    """Make tries until the list is empty. Threads may share these lists."""
    while True:
        try:
            index, service = tries.pop()
        except IndexError:
            return
        replies[index].append(attempt(service))


def attempt(service: LoadService) -> str:
    """Return the result of one connection."""
    try:
        with socket.create_connection(service.target, TRY_TIMEOUT) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            if service.exchange is None:
                return OPEN
            sock.sendall(service.exchange.request)
            head = b""
            while len(head) < MAX_ANSWER_BYTES and not service.exchange.good(head):
                data = sock.recv(MAX_ANSWER_BYTES)
                if not data:
                    break
                head += data
            return PAGE if service.exchange.good(head) else OPEN
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return ERRORS.get(error.errno or errno.ECONNRESET, "unreachable")
