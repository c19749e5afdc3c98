"""The service as a client sees it: a request through each VIP every 25 ms, a line for each page.

As a program (`probe.py VIP…`) it prints `MONOTONIC-SECONDS VIP` for every page. It runs in the
client's network.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from itertools import pairwise

REQUEST_INTERVAL = 0.025
"""Seconds between two requests: the resolution of an outage."""

REQUEST_TIMEOUT = 0.15
"""Seconds until a request counts as lost."""


def longest_gap(times: Iterable[float], start: float, end: float) -> float:
    """The longest time without an answer between `start` and `end`, in seconds."""
    inside = [start, *sorted(time for time in times if start <= time <= end), end]
    return max(later - sooner for sooner, later in pairwise(inside))


def serves_page(vip: str) -> bool:
    """Whether the VIP answers with a page."""
    try:
        with socket.create_connection((vip, 80), timeout=REQUEST_TIMEOUT) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def ask(vip: str) -> None:
    """Send requests forever."""
    while True:
        started = time.monotonic()
        if serves_page(vip):
            # One write, because other threads print too.
            os.write(1, f"{time.monotonic():.4f} {vip}\n".encode())
        time.sleep(max(0.0, started + REQUEST_INTERVAL - time.monotonic()))


if __name__ == "__main__":
    # With a normal priority a busy machine would look like an outage.
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    for address in sys.argv[1:]:
        threading.Thread(target=ask, args=(address,)).start()
