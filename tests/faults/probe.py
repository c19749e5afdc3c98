"""The service as a client sees it: a request through each VIP every few milliseconds; a line for each answer.

As a program (`probe.py VIP…`) it prints `MONOTONIC-SECONDS VIP` whenever a page came; it runs in the client's network.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from itertools import pairwise

EVERY = 0.025
"""Seconds between two requests; what an outage is rounded up to."""
PATIENCE = 0.15
"""Seconds until a request counts as lost."""


def longest_gap(times: Iterable[float], start: float, end: float) -> float:
    """The longest time without an answer between `start` and `end`, in seconds; all of it where none came."""
    inside = [start, *sorted(at for at in times if start <= at <= end), end]
    return max(later - sooner for sooner, later in pairwise(inside))


def asked(vip: str) -> bool:
    """Whether a page comes."""
    try:
        with socket.create_connection((vip, 80), timeout=PATIENCE) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def ask(vip: str) -> None:
    """Ask for ever."""
    while True:
        began = time.monotonic()
        if asked(vip):
            os.write(
                1, f"{time.monotonic():.4f} {vip}\n".encode()
            )  # in one piece: there are other threads
        time.sleep(max(0.0, began + EVERY - time.monotonic()))


if __name__ == "__main__":
    os.setpriority(os.PRIO_PROCESS, 0, -10)  # or a busy machine would show as an outage
    for each in sys.argv[1:]:
        threading.Thread(target=ask, args=(each,)).start()
