"""A broker that stops leaves the directors' tables before its check's time is over, and comes back by itself."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from conftest import GROUPS, LAB, hactl, log_in
from testinfra.host import Host

#: Seconds: asked every 5, 4 to answer; Keepalived looks every 5, and once more after 1; and 2 for a slow director.
BOUND = 5 + 4 + 5 + 1 + 2
#: Seconds for Java, the logs, the quorum and the checks.
START = 90


def pools(directors: list[Host], vip: str) -> list[set[str]]:
    """The real servers with a weight in each director's table."""
    tables = [host.check_output("ipvsadm --save --numeric") for host in directors]
    lines = [[line.split() for line in table.splitlines() if line.startswith(f"-a -t {vip}:9092")] for table in tables]
    return [{words[4].split(":")[0] for words in each if words[-1] != "0"} for each in lines]


def until(what: Callable[[], bool], seconds: float) -> float:
    """Wait until `what` holds; the seconds that took. Fails after so many."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, f"not after {seconds} s"
        time.sleep(0.2)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def stopped(pytestconfig: pytest.Config) -> Host:
    """The broker that is stopped."""
    return log_in(GROUPS["brokers"][-1], pytestconfig)


def test_a_stopped_broker_leaves_and_comes_back(stopped: Host, directors: list[Host], vip: str) -> None:
    address = stopped.check_output("ip -4 -oneline address show eth0").split()[3].split("/")[0]
    whole = pools(directors, vip)
    assert [len(each) for each in whole] == [3, 3]
    assert all(address in each for each in whole)
    stopped.check_output("systemctl stop kafka")
    try:
        until(lambda: all(address not in each for each in pools(directors, vip)), BOUND)
        assert pools(directors, vip) == [each - {address} for each in whole]
    finally:
        stopped.check_output("systemctl start kafka")
    until(lambda: pools(directors, vip) == whole, START)


def test_hactl_finds_nothing_wrong_afterwards() -> None:
    verified = hactl("verify", f"inventory/{LAB}.yml", "--lab")
    assert verified.returncode == 0, verified.stdout + verified.stderr
