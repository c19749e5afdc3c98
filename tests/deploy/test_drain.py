"""Which hosts may be drained, and the work that a drained host still has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.deploy.drain import Remaining, describe, directors_of, refusal, remaining
from provision.hosts.live.state import LiveServer, LiveService
from tests.hosts.live.building import healthy, seen
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
LAB = topology([frontend()])
BY = "ops@desk, 2026-11-22T08:00:00Z"


def table(
    web1: tuple[int, int] | None = (1, 0), web2: tuple[int, int] | None = (1, 0)
) -> dict[str, Any]:
    """A table with the weight and active connections of each server; None for a missing server."""
    servers = [(103, web1), (104, web2)]
    live = tuple(
        LiveServer(f"192.168.227.{last}", 80, "dr", *figures, 9)
        for last, figures in servers
        if figures
    )
    return {"services": (LiveService(f"-t {VIP}:80", "rr", live),)}


def refused(host: str, **changes: dict[str, Any]) -> str:
    both = {"lvs1": table(), "lvs2": table()}
    problem = refusal(
        seen(LAB, **{name: {**both.get(name, {}), **changes.get(name, {})} for name in both}), host
    )
    return str(problem or "")


def test_a_server_may_be_drained_while_another_takes_connections() -> None:
    assert refused("web2") == ""


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"lvs1": {"drained": {"web1": BY}}}, "web1 is drained"),
        ({"lvs2": table(web1=None)}, "web1 is down"),
        ({"lvs1": table(web1=(0, 3))}, "web1 is down"),
    ],
)
def test_the_last_server_of_a_service_stays(changes: dict[str, Any], why: str) -> None:
    """On every director: any of them may be the next master."""
    message = refused("web2", **changes)
    assert message.startswith(
        f"web2 is the last real server of -t {VIP}:80 that takes connections ({why})"
    )


@pytest.mark.parametrize(
    "scheduler, deployed, expected",
    [
        ("mh", "-b mh-fallback", ""),
        ("mh", "", "`-s mh` of"),
        ("dh", "", "`-s dh` of"),
        ("rr", "", ""),
    ],
)
def test_the_scheduler_must_send_clients_of_a_drained_server_to_another(
    scheduler: str, deployed: str, expected: str
) -> None:
    """The live table counts: an older version of hactl may have deployed it without a fallback."""
    saved = tuple(f"-A -t {VIP}:80 -s {scheduler} {deployed}".split())
    both = {name: {**table(), "ipvs_saved": (" ".join(saved),)} for name in ("lvs1", "lvs2")}
    reason = str(refusal(seen(LAB, **both), "web2") or "")
    assert expected in reason and bool(reason) is bool(expected)


def test_a_server_in_a_table_of_ipvsadm_cannot_be_drained() -> None:
    lab = topology([frontend(ipvs_manager="ipvsadm")])
    assert "ipvsadm fills the table of lvs1" in str(refusal(seen(lab), "web2"))


def test_the_last_director_stays() -> None:
    assert refused("lvs1") == ""
    assert "(lvs2 is drained)" in refused("lvs1", lvs2={"drained_by": BY})
    assert "(lvs2 is not ready to take over)" in refused("lvs1", lvs2={"vrrp": ()})


def test_a_director_with_nopreempt_cannot_be_drained() -> None:
    lab = topology([frontend(vrrp={"virtual_router_id": 10, "nopreempt": True})])
    assert "`nopreempt`" in str(refusal(seen(lab), "lvs1"))


def test_the_remaining_work_of_a_server_are_its_connections_on_the_master() -> None:
    """A backup's table has copies of connections, which the sync daemon deletes later."""
    snapshot = seen(LAB, lvs1=table(web2=(0, 3)), lvs2=table(web2=(0, 5)))
    work = remaining(snapshot, "web2")
    assert work == (Remaining("lvs1", f"3 connections of -t {VIP}:80", 3),)
    assert describe(work) == f"3 connections of -t {VIP}:80 on lvs1"
    assert remaining(seen(LAB, lvs1=table(web2=(0, 0))), "web2") == ()


def test_the_remaining_work_of_a_director_are_its_addresses() -> None:
    assert describe(remaining(seen(LAB), "lvs1")) == f"{VIP} is held by lvs1"
    assert remaining(seen(LAB), "lvs2") == ()
    addresses = healthy(LAB)["lvs1"].addresses
    no_vip = {"addresses": tuple(live for live in addresses if live.address != VIP)}
    assert describe(remaining(seen(LAB, lvs1=no_vip), "lvs1")) == f"{VIP} is held by nobody"


def test_the_holder_of_an_address_is_unknown_while_another_director_was_not_seen() -> None:
    whole = seen(LAB)
    alone = replace(whole, lives={"lvs2": whole.lives["lvs2"]})
    assert describe(remaining(alone, "lvs2")) == f"who holds {VIP} is unknown: lvs1 not seen"


def test_a_drain_concerns_the_directors_that_serve_the_host_or_share_its_addresses() -> None:
    assert directors_of(LAB, "web1") == directors_of(LAB, "lvs2") == ("lvs1", "lvs2")
    assert directors_of(LAB, "client") == ()
