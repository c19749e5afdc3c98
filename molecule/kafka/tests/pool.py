"""The brokers to which the directors send clients, and waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable

from testinfra.host import Host

START_TIMEOUT = 90
"""Seconds for Java, the logs, the quorum and the health checks."""


def pools(directors: list[Host], vip: str) -> list[set[str]]:
    """The real servers with a weight above 0 in each director's table."""
    tables = [host.check_output("ipvsadm --save --numeric") for host in directors]
    lines = [
        [line.split() for line in table.splitlines() if line.startswith(f"-a -t {vip}:9092")]
        for table in tables
    ]
    return [{words[4].split(":")[0] for words in table if words[-1] != "0"} for table in lines]


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Wait until the condition holds; fail after `timeout` seconds, naming what did not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.2)


def wait_until_complete(directors: list[Host], vip: str) -> None:
    """Wait until every director has all three brokers."""
    wait_until(
        lambda: all(len(pool) == 3 for pool in pools(directors, vip)),
        START_TIMEOUT,
        "three brokers in each table",
    )
