"""What may be drained, and what is left of a drained host, from a look at the directors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from provision.deploy.drain import Remaining, describe, directors_of, left_on, refusal
from provision.hosts.live.state import LiveServer, LiveService
from tests.hosts.live.building import healthy, seen
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
LAB = topology([frontend()])
BY = "ops@desk, 2026-11-22T08:00:00Z"


def table(
    web1: tuple[int, int] | None = (1, 0), web2: tuple[int, int] | None = (1, 0)
) -> dict[str, Any]:
    """A table with each server's weight and active connections; None where it is not in it."""
    servers = [(103, web1), (104, web2)]
    found = [
        LiveServer(f"192.168.227.{last}", 80, "dr", *each, 9) for last, each in servers if each
    ]
    return {"services": (LiveService(f"-t {VIP}:80", "rr", tuple(found)),)}


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
    """On any director: whichever of them is master next."""
    said = refused("web2", **changes)
    assert said.startswith(
        f"web2 is the last real server of -t {VIP}:80 that takes connections ({why})"
    )


@pytest.mark.parametrize("scheduler, deployed, refused", [("mh", "-b mh-fallback", ""), ("mh", "", "`-s mh` of"),
                                                          ("dh", "", "`-s dh` of"), ("rr", "", "")])  # fmt: skip
def test_who_comes_to_a_drained_server_must_be_sent_to_another(
    scheduler: str, deployed: str, refused: str
) -> None:
    """By the table that is there: one deployed by an older version has no fallback yet."""
    saved = tuple(f"-A -t {VIP}:80 -s {scheduler} {deployed}".split())
    both = {name: {**table(), "ipvs_saved": (" ".join(saved),)} for name in ("lvs1", "lvs2")}
    said = str(refusal(seen(LAB, **both), "web2") or "")
    assert refused in said and bool(said) is bool(refused)


def test_a_table_of_ipvsadm_is_nobodys_to_drain() -> None:
    lab = topology([frontend(ipvs_manager="ipvsadm")])
    assert "ipvsadm fills the table of lvs1" in str(refusal(seen(lab), "web2"))


def test_the_last_director_stays() -> None:
    assert refused("lvs1") == ""
    assert "(lvs2 is drained)" in refused("lvs1", lvs2={"drained_by": BY})
    assert "(lvs2 is not ready to take over)" in refused("lvs1", lvs2={"vrrp": ()})


def test_a_director_is_not_drained_where_nobody_takes_over_from_a_living_one() -> None:
    lab = topology([frontend(vrrp={"virtual_router_id": 10, "nopreempt": True})])
    assert "`nopreempt`" in str(refusal(seen(lab), "lvs1"))


def test_what_is_left_of_a_server_are_the_connections_that_its_holder_knows() -> None:
    """A backup's table has copies of them, which the sync daemon lets go of later."""
    found = seen(LAB, lvs1=table(web2=(0, 3)), lvs2=table(web2=(0, 5)))
    left = left_on(found, "web2")
    assert left == (Remaining("lvs1", f"3 connections of -t {VIP}:80", 3),)
    assert describe(left) == f"3 connections of -t {VIP}:80 on lvs1"
    assert left_on(seen(LAB, lvs1=table(web2=(0, 0))), "web2") == ()


def test_what_is_left_of_a_director_are_its_addresses() -> None:
    assert describe(left_on(seen(LAB), "lvs1")) == f"{VIP} is held by lvs1"
    assert left_on(seen(LAB), "lvs2") == ()
    nobody = {
        "addresses": tuple(one for one in healthy(LAB)["lvs1"].addresses if one.address != VIP)
    }
    assert describe(left_on(seen(LAB, lvs1=nobody), "lvs1")) == f"{VIP} is held by nobody"


def test_who_holds_an_address_is_unknown_while_another_director_was_not_seen() -> None:
    whole = seen(LAB)
    alone = replace(whole, lives={"lvs2": whole.lives["lvs2"]})
    assert describe(left_on(alone, "lvs2")) == f"who holds {VIP} is unknown: lvs1 not seen"


def test_who_has_to_do_with_a_host() -> None:
    assert directors_of(LAB, "web1") == directors_of(LAB, "lvs2") == ("lvs1", "lvs2")
    assert directors_of(LAB, "client") == ()
