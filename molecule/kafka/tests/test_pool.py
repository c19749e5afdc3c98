"""A broker that stops leaves the directors' tables before its check's time is over, and comes back by itself."""

from __future__ import annotations

import pytest
from conftest import GROUPS, LAB, hactl, log_in
from pool import START, pools, until, until_whole
from testinfra.host import Host

#: Seconds: asked every 5, 4 to answer; Keepalived looks every 5, and once more after 1; and 2 for a slow director.
BOUND = 5 + 4 + 5 + 1 + 2


@pytest.fixture(scope="module")
def stopped(pytestconfig: pytest.Config) -> Host:
    """The broker that is stopped."""
    return log_in(GROUPS["brokers"][-1], pytestconfig)


def test_a_stopped_broker_leaves_and_comes_back(
    stopped: Host, directors: list[Host], vip: str
) -> None:
    address = stopped.check_output("ip -4 -oneline address show eth0").split()[3].split("/")[0]
    until_whole(directors, vip)
    whole = pools(directors, vip)
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
