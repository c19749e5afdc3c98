"""The brokers that the directors send clients to."""

from __future__ import annotations

import time
from collections.abc import Callable

from testinfra.host import Host

#: Seconds for Java, the logs, the quorum and the checks.
START = 90


def pools(directors: list[Host], vip: str) -> list[set[str]]:
    """The real servers with a weight in each director's table."""
    tables = [host.check_output("ipvsadm --save --numeric") for host in directors]
    lines = [
        [line.split() for line in table.splitlines() if line.startswith(f"-a -t {vip}:9092")]
        for table in tables
    ]
    return [{words[4].split(":")[0] for words in each if words[-1] != "0"} for each in lines]


def until(what: Callable[[], bool], seconds: float) -> float:
    """Wait until `what` holds; the seconds that took. Fails after so many."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, f"not after {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began


def until_whole(directors: list[Host], vip: str) -> None:
    """Wait until every director has all three brokers."""
    until(lambda: all(len(each) == 3 for each in pools(directors, vip)), START)
