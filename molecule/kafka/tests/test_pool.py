"""A stopped broker leaves the directors' tables in time, and returns by itself."""

from __future__ import annotations

import pytest
from conftest import GROUPS, LAB, hactl, log_in
from pool import START_TIMEOUT, pools, wait_until, wait_until_complete
from testinfra.host import Host

BOUND = 5 + 4 + 5 + 1 + 2
"""Seconds until the broker is out of the tables.

A request every 5 s with a time-out of 4 s; Keepalived's check every 5 s with a retry after 1 s;
2 s for a slow director.
"""


@pytest.fixture(scope="module")
def stopped(pytestconfig: pytest.Config) -> Host:
    """The broker that the test stops."""
    return log_in(GROUPS["brokers"][-1], pytestconfig)


def test_a_stopped_broker_leaves_the_tables_and_returns(
    stopped: Host, directors: list[Host], vip: str
) -> None:
    address = stopped.check_output("ip -4 -oneline address show eth0").split()[3].split("/")[0]
    wait_until_complete(directors, vip)
    complete = pools(directors, vip)
    assert all(address in pool for pool in complete)
    stopped.check_output("systemctl stop kafka")
    try:
        wait_until(
            lambda: all(address not in pool for pool in pools(directors, vip)),
            BOUND,
            f"{address} leaves the tables",
        )
        assert pools(directors, vip) == [pool - {address} for pool in complete]
    finally:
        stopped.check_output("systemctl start kafka")
    wait_until(
        lambda: pools(directors, vip) == complete, START_TIMEOUT, f"{address} is back in the tables"
    )


def test_hactl_finds_nothing_wrong_afterwards() -> None:
    done = hactl("verify", f"inventory/{LAB}.yml", "--lab")
    assert done.returncode == 0, done.stdout + done.stderr
