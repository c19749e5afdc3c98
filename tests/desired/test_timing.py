"""The bounds of faults follow from the configuration, by RFC 5798 and keepalived.conf(5)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.desired import timing
from provision.inventory.frontends import RealServer, ResolvedService
from tests.inventory.building import HOSTS, frontend, service, topology

BROKERS = {
    "hosts": {
        **HOSTS,
        "web1": {**HOSTS["web1"], "kafka_id": 1},
        "web2": {**HOSTS["web2"], "kafka_id": 2},
    },
    "kafka": {
        "version": "3.9.1",
        "brokers": "web",
        "distribution": {"jars": "/opt/jars"},
        "users": {"admin": {"password": "4dmin"}, "check": {"password": "pr0be"}},
    },
}


def first(**changes: Any) -> tuple[ResolvedService, RealServer]:
    """The first service and real server of a topology with a changed service."""
    variables: Any = BROKERS if "kafka" in str(changes.get("check")) else {}
    site = topology([frontend(services=[service(**changes)])], **variables)
    first_service = site.frontends[0].services[0]
    return first_service, first_service.real_servers[0]


def test_the_shipped_timing() -> None:
    """A crash takes 3 × 0.2 s and (256 - 99) / 256 × 0.2 s, a stop the skew and an advert."""
    web = topology([frontend()]).frontends[0]
    assert math.isclose(timing.crash(web, "lvs2"), 0.6 + 157 / 256 * 0.2)
    assert math.isclose(timing.graceful_stop(web, "lvs2"), 157 / 256 * 0.2 + 0.2)
    assert math.isclose(timing.split_brain_detection(web), 0.6)


@given(st.integers(1, 4095), st.integers(1, 253))
def test_a_stop_never_takes_longer_than_a_crash(centiseconds: int, priority: int) -> None:
    interval = centiseconds / 100
    vrrp = {"virtual_router_id": 10, "advert_int": interval}
    web = topology([frontend(vrrp=vrrp, priorities={"lvs1": 254, "lvs2": priority})]).frontends[0]
    crash, stop = timing.crash(web, "lvs2"), timing.graceful_stop(web, "lvs2")
    assert stop < crash
    assert 3 * interval < crash < 4 * interval
    assert interval < stop < 2 * interval


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"type": "tcp"}, 60 + 5 + 1 * (1 + 5)),
        (
            {"type": "tcp", "interval": 2, "timeout": 3, "retries": 1, "delay": 1},
            2 + 3 + 1 * (1 + 3),
        ),
        (
            {"type": "tcp", "interval": 6, "timeout": 3, "retries": 3, "delay": 3},
            6 + 3 + 3 * (3 + 3),
        ),
        ({"type": "http", "interval": 5}, 5 + 5 + 1 * (3 + 5)),
        ({"type": "dns", "interval": 2, "timeout": 1}, 2 + 1 + 3 * (2 + 1)),
        ({"type": "misc", "script": "/bin/true", "interval": 4, "timeout": 2}, 4 + 2),
        (
            {"type": "kafka", "login": "check", "interval": 3, "timeout": 4, "delay": 2},
            (3 + 4) + 3 + 1 * 2,
        ),
        ({"type": "kafka", "login": "check", "timeout": 4, "retries": 0}, (5 + 4) + 60),
    ],
)
def test_how_long_a_dead_server_may_stay_in_the_table(
    check: dict[str, Any], expected: float
) -> None:
    assert timing.removal(*first(check=check)) == expected


def test_the_timing_of_the_service_applies_without_one_of_the_check() -> None:
    check = {"type": "tcp"}
    by_service = first(
        check=check, delay_loop=2, connect_timeout=1, retry=2, delay_before_retry=0.5
    )
    assert timing.removal(*by_service) == 2 + 1 + 2 * (0.5 + 1)
    by_server = first(check=check, delay_loop=2, real_server_options={"web1": {"delay_loop": 9}})
    assert timing.removal(*by_server) == 9 + 5 + (1 + 5)


def test_the_fastest_of_several_checks_counts() -> None:
    slow, quick = (
        {"type": "tcp", "interval": 30, "timeout": 1},
        {"type": "http", "interval": 3, "timeout": 1},
    )
    assert timing.removal(*first(check=[slow, quick])) == 3 + 1 + (3 + 1)
    assert timing.return_to_table(*first(check=[slow, quick])) == 30 + 1


def test_a_broker_has_time_to_start_before_it_must_be_back() -> None:
    check = {"type": "kafka", "login": "check", "interval": 3, "timeout": 4}
    assert timing.return_to_table(*first(check=check)) == timing.BROKER_START_TIME + (3 + 4) + 3


@pytest.mark.parametrize(
    "check", [[], {"type": "ping"}, {"type": "tcp", "connect_ip": "192.168.227.1"}]
)
def test_a_check_of_another_address_gives_no_bound(check: Any) -> None:
    assert timing.removal(*first(check=check)) is None


@given(
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.integers(0, 10),
    st.floats(0, 100),
    st.sampled_from(["tcp", "http"]),
)
def test_a_bound_is_at_least_an_interval_and_a_time_out(
    interval: float, timeout: float, retries: int, delay: float, kind: str
) -> None:
    check = {
        "type": kind,
        "interval": interval,
        "timeout": timeout,
        "retries": retries,
        "delay": delay,
    }
    bound = timing.removal(*first(check=check))
    assert bound is not None
    assert bound >= interval + timeout
    assert bound >= timing.return_to_table(*first(check=check))
