"""A manually added address on a director is removed, unless the director is its master by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, Transaction, prepare
from tests.hosts.agent.keepalived import answering
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

VIP = "192.168.227.10"
STRAY = Op("stray", (f"{VIP}/24", "eth0"))
FOREVER = "valid_lft forever preferred_lft forever"
LINE = f"2: eth0    inet {VIP}/24 scope global secondary eth0\\       {FOREVER}\n"
MASTER, BACKUP = 2, 1


def instance(name: str, state: int, *vips: str) -> dict[str, Any]:
    listed = [f"{vip} dev eth0 scope global set" for vip in vips]
    return {
        "data": {"iname": name, "state": state, "wantstate": 2, "vips": listed},
        "stats": {"advert_rcvd": 0},
    }


@pytest.fixture
def director(host: LocalHost) -> LocalHost:
    host.write("addresses", host.read("addresses") + LINE)
    return host


@pytest.fixture
def runs(director: LocalHost) -> Iterator[Callable[..., None]]:
    """Have a Keepalived with these instances run there."""
    with ExitStack() as running:

        def start(*instances: dict[str, Any]) -> None:
            pid, _ = running.enter_context(answering(director, list(instances)))
            director.unit("keepalived.service", pid=str(pid))

        yield start


def begun(host: LocalHost) -> Transaction:
    return prepare(host, build_payload([STRAY]), "ops@desk", "3f2a", 60)


def held(host: LocalHost) -> bool:
    return f" {VIP}/24 " in host.read("addresses")


def test_it_is_taken_off_a_backup_and_comes_back_with_an_undoing(
    director: LocalHost, runs: Callable[..., None]
) -> None:
    runs(instance("VI_other", MASTER, f"{VIP}1"), instance("VI_web", BACKUP, VIP))
    transaction = begun(director)
    transaction.apply()
    assert not held(director)
    transaction.roll_back()
    assert held(director)


def test_who_is_master_by_now_keeps_it(director: LocalHost, runs: Callable[..., None]) -> None:
    runs(instance("VI_other", BACKUP, "192.168.227.9"), instance("VI_web", MASTER, VIP))
    with pytest.raises(
        ApplyFailed, match=f"it became master of {VIP} since the plan was made"
    ) as ended:
        begun(director)
    assert ended.value.outcome == "rolled_back" and held(director)


def test_who_becomes_master_while_it_waits_for_its_turn_keeps_it(
    director: LocalHost, runs: Callable[..., None]
) -> None:
    runs(instance("VI_web", BACKUP, VIP))
    transaction = begun(director)
    (director.root / "tmp-of-keepalived").rename(director.root / "of-the-first")
    runs(
        instance("VI_web", MASTER, f"{VIP}/24")
    )  # an address with a prefix, as Keepalived shows all but /32
    with pytest.raises(ApplyFailed, match="it became master of"):
        transaction.apply()
    assert held(director)


@pytest.mark.parametrize("instances", [(), (instance("VI_web", BACKUP, "192.168.227.9"),)])
def test_where_nobody_says_who_is_master_it_stays(
    director: LocalHost, runs: Callable[..., None], instances: tuple[dict[str, Any], ...]
) -> None:
    runs(*instances)
    with pytest.raises(ApplyFailed, match="does not say whether it is master"):
        begun(director)
    assert held(director)


def test_what_is_gone_by_then_asks_nobody(director: LocalHost) -> None:
    director.write("addresses", director.read("addresses").replace(LINE, ""))
    transaction = begun(director)
    transaction.apply()
    transaction.confirm()
