"""What a rollout asks between its batches, again and again: who answers for each address, and does each service answer?

A line of JSON for each look, a line of JSON for an answer. The end of the input ends it.
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
"""Seconds for one try: time for a SYN that is sent again after 1 s (RFC 6298 §2)."""

MAX_PARALLEL_TRIES = 64
"""Tries at the same time."""

PAGE, OPEN = "page", "open"
"""A good HTTP answer; a connection that was accepted. Anything else is a word of load.ERRORS."""


def serve(say: Callable[[dict[str, Any]], None]) -> None:
    """Answer looks until the input ends."""
    say({"ready": True})
    for line in _lines():
        say(look(json.loads(line)))


def _lines() -> Iterator[bytes]:
    """The lines of standard input, as they come."""
    data = b""
    while True:
        *lines, data = data.split(b"\n")
        yield from lines
        more = os.read(0, 1 << 16)
        if not more:
            return
        data += more


def look(settings: dict[str, Any]) -> dict[str, Any]:
    """One look: the wire is asked, then all services at once; last, whom the kernel has really sent to.

    Nothing is tried where nobody answers for the address: the kernel would only ask for it again, for seconds.
    """
    said = queries.ask(settings["questions"], settings["window"])
    asked = zip(settings["questions"], said["answers"])
    missing = {question["address"] for question, answer in asked if _nobody(question, answer)}
    services = settings["services"]
    replies: list[list[str]] = [["unreachable"] if each[0] in missing else [] for each in services]
    turns = [
        (at, LoadService(*each)) for at, each in enumerate(services) if not replies[at]
    ] * settings["tries"]
    threads = [
        threading.Thread(target=_work, args=(turns, replies), daemon=True)
        for _ in turns[:MAX_PARALLEL_TRIES]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = queries.ask(settings["after"])
    return {"answers": said["answers"], "after": after["answers"], "replies": replies}


def _nobody(question: dict[str, Any], answer: dict[str, Any]) -> bool:
    return question["kind"] == "who-has" and not answer["macs"] and not answer.get("problem")


def _work(turns: list[tuple[int, LoadService]], replies: list[list[str]]) -> None:
    """Take turns while there are any; lists may be shared by threads."""
    while True:
        try:
            index, service = turns.pop()
        except IndexError:
            return
        replies[index].append(attempt(service))


def attempt(service: LoadService) -> str:
    """What becomes of one connection."""
    try:
        with socket.create_connection(service.target, TRY_TIMEOUT) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            if service.talk is None:
                return OPEN
            sock.sendall(service.talk.request)
            head = b""
            while len(head) < MAX_ANSWER_BYTES and not service.talk.good(head):
                data = sock.recv(MAX_ANSWER_BYTES)
                if not data:
                    break
                head += data
            return PAGE if service.talk.good(head) else OPEN
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return ERRORS.get(error.errno or errno.ECONNRESET, "unreachable")
