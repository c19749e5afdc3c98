"""Drift by hand in what nobody asks for by name: what is put right, and what is named and left alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from provision.core.facts import Facts, Interface
from provision.deploy.batch import removes_vip_of
from provision.deploy.drift import RULES, absent
from provision.deploy.manual_edits import needs_vrrp_state, strays
from provision.deploy.missing import missing
from provision.deploy.missing import needs_log as doubtful_tables
from provision.deploy.operations import operations
from provision.deploy.plan import Change, HostPlan, plan_host
from provision.desired.items import Address, DesiredHost, File, Item, Unit, VipItem, VirtualService
from provision.formats.ip_addr import LiveAddress
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.agent.payload import Op
from provision.hosts.live.health import Health, health
from provision.hosts.live.state import LiveHost, VrrpInstance
from provision.hosts.protocol import LedgerEntry
from tests.inventory.building import frontend, topology

WEB = "-t 192.168.227.10:80"
SERVERS = ("web1 10.0.0.1:80 -g -w 1", "web2 10.0.0.2:80 -g -w 3")
VIRTUAL = VirtualService(WEB, "-s rr", SERVERS)
LIVE = (f"-A {WEB} -s rr", f"-a {WEB} -r 10.0.0.1:80 -g -w 1", f"-a {WEB} -r 10.0.0.2:80 -g -w 3")
KEEPALIVED = Unit("keepalived.service")
VIP = "192.168.227.10"


def rules_file(*lines: str) -> File:
    return File(RULES[0], "".join(f"{line}\n" for line in ("# ours", *lines)).encode(), "0640")


def found(item: Item, **other: str) -> ObservedItem:
    return ObservedItem(item.kind, item.name, {**item.attributes(), **other})


def plan(
    *items: Item, was: tuple[ObservedItem, ...] | None = None, host: str = "lvs1", **seen: Any
) -> HostPlan:
    """A director's plan; it has what it should, but for `was`, and for what of its state is given."""
    items = items or (rules_file(*LIVE), KEEPALIVED, VIRTUAL)
    kept = (
        was
        if was is not None
        else tuple(found(item) for item in items if item.kind not in ("vip", "virtual"))
    )
    things = MappingProxyType({(one.kind, one.name): one for one in kept})
    observed = dataclasses.replace(Observed(Facts(), things, table=LIVE), **seen)
    return plan_host(DesiredHost(host, items), observed, frozenset())


def said(made: HostPlan) -> list[tuple[str, str]]:
    return [(change.action, change.detail) for change in made.changes]


def changed(old: str, new: str) -> tuple[str, ...]:
    assert any(old in line for line in LIVE)
    return tuple(line.replace(old, new) for line in LIVE)


def log(*texts: str) -> Mapping[str, Health]:
    """What the checks said, a second apart."""
    return health(
        f"{at}.5 lvs1 Keepalived_healthcheckers[7]: {text}" for at, text in enumerate(texts)
    )


def ops(made: HostPlan) -> list[Op]:
    return [op for op in operations(made)[0] if op.verb in ("table", "checker")]


def test_a_table_that_is_as_it_should_be_is_no_news() -> None:
    assert plan().changes == () and plan().left_alone == ()


def test_a_weight_set_by_hand_is_set_back() -> None:
    made = plan(table=changed("-w 3", "-w 7"))
    assert said(made) == [("update", "web2 -g -w 7 → -g -w 3")]
    assert ops(made) == [
        Op("table", ("-e", WEB, "-r 10.0.0.2:80 -g -w 3", "-r 10.0.0.2:80 -g -w 7"))
    ]


def test_another_scheduler_and_another_method_are_set_back() -> None:
    assert said(plan(table=changed("-s rr", "-s wlc"))) == [("update", "-s wlc → -s rr")]
    assert said(plan(table=changed("10.0.0.1:80 -g", "10.0.0.1:80 -m"))) == [
        ("update", "web1 -m -w 1 → -g -w 1")
    ]


def test_a_table_emptied_by_hand_is_filled_by_keepalived_itself() -> None:
    made = plan(table=())
    assert said(made) == [("create", "not in the table: Keepalived's checker begins anew")]
    assert ops(made) == [Op("checker", (WEB,))]


def test_the_limits_that_ipvsadm_does_not_print_are_set_again_with_the_weight() -> None:
    limited = (LIVE[0], f"{LIVE[1]} -x 9", LIVE[2])
    made = plan(rules_file(*limited), KEEPALIVED, VIRTUAL, table=changed("-w 1", "-w 2"))
    assert ops(made)[0].args[2:] == ("-r 10.0.0.1:80 -g -w 1 -x 9", "-r 10.0.0.1:80 -g -w 2 -x 9")


def test_a_server_that_its_check_took_out_is_no_drift() -> None:
    made = plan(table=LIVE[:2])
    assert made.changes == ()
    assert doubtful_tables({"lvs1": made, "lvs2": plan()}) == ("lvs1",), "its log is asked"
    words = log("Removing service [10.0.0.2]:tcp:80 from VS [192.168.227.10]:tcp:80")
    assert list(missing(made, words, LIVE[:2])) == []
    assert list(missing(made, {}, LIVE[:2])) == [], "without a word nothing is known"


def test_a_server_that_came_back_between_the_look_at_the_table_and_the_log_is_no_drift() -> None:
    made, words = plan(table=LIVE[:2]), log("TCP connection to [10.0.0.2]:tcp:80 success.")
    assert doubtful_tables({"lvs1": made}) == ("lvs1",)
    assert list(missing(made, words, LIVE)) == []


def test_a_server_whose_check_is_well_was_taken_out_by_hand() -> None:
    made = plan(table=LIVE[:2])
    made = made.with_changes(
        *missing(made, log("TCP connection to [10.0.0.2]:tcp:80 success."), LIVE[:2])
    )
    assert said(made) == [
        ("create", "web2 is not in it, and its check is well: Keepalived's checker begins anew")
    ]
    assert ops(made) == [Op("checker", (f"{WEB} -r 10.0.0.2:80",))]


def test_a_check_of_another_service_does_not_speak_for_this_one() -> None:
    words = log(
        "Removing service [10.0.0.2]:tcp:80 from VS [192.168.227.10]:tcp:80",
        "TCP connection to [10.0.0.2]:tcp:80 success.",
        "Adding service [10.0.0.2]:tcp:80 to VS [192.168.227.11]:tcp:80",
    )
    assert list(missing(plan(table=LIVE[:2]), words, LIVE[:2])) == []


BY_IPVSADM = dataclasses.replace(
    rules_file(LIVE[0], f"{LIVE[1]} -x 9", LIVE[2]), unit="ipvsadm.service"
)
IPVSADM = (BY_IPVSADM, Unit("ipvsadm.service"), VIRTUAL)


def test_a_table_of_ipvsadm_that_was_emptied_is_filled_again_entry_by_entry() -> None:
    made = plan(*IPVSADM, table=())
    assert [change.action for change in made.changes] == ["create"] * 3
    assert ops(made) == [
        Op("table", ("-A", WEB, "-s rr", "")),
        Op("table", ("-a", WEB, "-r 10.0.0.1:80 -g -w 1 -x 9", "-r 10.0.0.1:80")),
        Op("table", ("-a", WEB, "-r 10.0.0.2:80 -g -w 3", "-r 10.0.0.2:80")),
    ]


def test_a_server_that_is_not_in_ipvsadm_s_table_was_taken_out_by_hand() -> None:
    made = plan(*IPVSADM, table=LIVE[:2])
    assert said(made) == [("create", "web2 -g -w 3, not in it")]
    assert absent(made.desired, made.observed) == (), "nobody checks it: no log is asked"


def test_a_weight_in_ipvsadm_s_table_is_nobody_s_but_the_inventory_s() -> None:
    dynamic = dataclasses.replace(VIRTUAL, weights="any")
    made = plan(*IPVSADM[:2], dynamic, table=changed("-w 3", "-w 7"))
    assert said(made) == [("update", "web2 -g -w 7 → -g -w 3")]
    assert plan(*IPVSADM).changes == () and plan(*IPVSADM).left_alone == ()


@pytest.mark.parametrize(
    "file, unit", [({"sha256": "0"}, {}), ({"mode": "0600"}, {}), ({}, {"current": "no"})]
)
def test_rules_that_are_about_to_be_loaded_anew_are_not_mended_one_by_one(
    file: dict[str, str], unit: dict[str, str]
) -> None:
    was = (found(BY_IPVSADM, **file), found(IPVSADM[1], **unit))
    made = plan(*IPVSADM, was=was, table=())
    assert ops(made) == [] and "reload" in made.changes[-1].detail


@pytest.mark.parametrize(
    "weights, weight, drift",
    [("fixed", 0, True), ("zero", 0, False), ("zero", 9, True), ("any", 9, False)],
)
def test_a_weight_that_a_check_may_have_set_is_no_drift(
    weights: str, weight: int, drift: bool
) -> None:
    virtual = dataclasses.replace(VIRTUAL, weights=weights)
    made = plan(rules_file(*LIVE), KEEPALIVED, virtual, table=changed("-w 3", f"-w {weight}"))
    assert bool(made.changes) is drift


def test_a_drain_is_no_drift_and_is_not_undone() -> None:
    drained = {"web2": "ops@desk, 2026-11-22T08:00:00Z"}
    assert plan(table=changed("-w 3", "-w 0"), drained=drained).changes == ()
    assert said(plan(drained=drained)) == [("update", "web2 -g -w 3 → -g -w 0")], (
        "somebody gave it its weight back"
    )


def test_what_the_next_reload_changes_anyway_is_not_judged() -> None:
    """The rules that are installed say 7, so Keepalived has set 7; it will set 3."""
    old = rules_file(*changed("-w 3", "-w 7"))
    was = (ObservedItem("file", old.name, {**old.attributes()}, old.content), found(KEEPALIVED))
    made = plan(was=was, table=changed("-w 3", "-w 7"))
    assert [change.kind for change in made.changes] == ["file"]


@pytest.mark.parametrize("was", [(), (found(KEEPALIVED, active="no"),)])
def test_before_keepalived_runs_there_is_no_table_to_judge(was: tuple[ObservedItem, ...]) -> None:
    assert all(change.kind != "virtual" for change in plan(was=was, table=()).changes)


def test_foreign_things_are_named_and_left_alone() -> None:
    made = plan(
        rules_file(*LIVE),
        KEEPALIVED,
        VIRTUAL,
        VipItem(VIP),
        File("/etc/keepalived/keepalived.conf", b""),
        table=(
            *LIVE,
            f"-a {WEB} -r 10.0.0.9:80 -g -w 1",
            "-A -t 10.9.9.9:25 -s wlc",
            "-a -t 10.9.9.9:25 -r 10.0.0.8:25",
        ),
        entries=(
            "/etc/keepalived/extra.conf",
            "/etc/keepalived/keepalived.conf",
            "/etc/keepalived/keepalived.conf.sample",
        ),
        loopback=("10.8.8.8/32",),
        facts=Facts(interfaces=(Interface("eth0", ("10.0.0.5/24", "10.7.7.7/32", f"{VIP}/32")),)),
    )
    assert made.changes == ()
    assert made.left_alone == (
        "file /etc/keepalived/extra.conf",
        f"real server 10.0.0.9:80 in {WEB}",
        "IPVS service -t 10.9.9.9:25",
        "address 10.8.8.8/32 on lo",
        "address 10.7.7.7/32 on eth0",
    )


def test_what_was_ours_is_removed_and_not_left_alone() -> None:
    """The ledger's: a service, an address and a file that left the inventory."""
    old = rules_file(*LIVE)
    was = (ObservedItem("file", old.name, old.attributes(), old.content),)
    owned = (LedgerEntry("address", "10.8.8.8/32"), LedgerEntry("file", "/etc/keepalived/old.conf"))
    seen = {"loopback": ("10.8.8.8/32",), "entries": ("/etc/keepalived/old.conf",), "ledger": owned}
    made = plan(rules_file("# nothing any more"), Address("10.1.1.1/32", "lo"), was=was, **seen)
    assert made.left_alone == ()


def test_a_sorry_server_that_answers_is_none_of_them() -> None:
    virtual = dataclasses.replace(VIRTUAL, sorry="10.0.0.9:80")
    made = plan(
        rules_file(*LIVE), KEEPALIVED, virtual, table=(LIVE[0], f"-a {WEB} -r 10.0.0.9:80 -g -w 1")
    )
    assert (made.changes, made.left_alone) == ((), ())


# ---------------------------------------------------------------------------------------------------- addresses


def holder(host: str, *addresses: str, director: bool = True) -> HostPlan:
    facts = Facts(interfaces=(Interface("eth0", addresses),))
    return plan(
        *([VipItem(VIP)] if director else [KEEPALIVED]),
        was=(found(KEEPALIVED),),
        host=host,
        facts=facts,
    )


def looked(host: str, state: str, held: bool = True) -> LiveHost:
    own = VrrpInstance("VI_web", "eth0", 10, state, 100, (VIP,), 0.2)
    addresses = (LiveAddress("eth0", VIP, 32, "eth0", "global"),) if held else ()
    return LiveHost(host, 0.0, 0.01, "", 0.1, addresses=addresses, vrrp=(own,))


def with_strays(
    plans: Mapping[str, HostPlan], found: list[tuple[str, Change]]
) -> dict[str, HostPlan]:
    return {
        host: one.with_changes(*(change for at, change in found if at == host))
        for host, one in plans.items()
    }


def stray(plans: Mapping[str, HostPlan], *lives: LiveHost) -> list[tuple[str, Change]]:
    return list(strays(plans, {live.host: live for live in lives}))


BOTH = {"lvs1": holder("lvs1", f"{VIP}/32"), "lvs2": holder("lvs2", f"{VIP}/24")}
ONE = {"lvs1": holder("lvs1", f"{VIP}/32"), "lvs2": holder("lvs2")}


def test_a_vip_with_one_holder_asks_nobody() -> None:
    assert needs_vrrp_state(ONE) == () and stray(ONE) == []


def test_a_vip_added_by_hand_is_taken_off_who_is_not_its_master() -> None:
    assert needs_vrrp_state(BOTH) == ("lvs1", "lvs2")
    found = stray(BOTH, looked("lvs1", "MASTER"), looked("lvs2", "BACKUP"))
    assert [(host, change.name, change.action) for host, change in found] == [
        ("lvs2", f"{VIP}/24", "remove")
    ]
    plans = with_strays(BOTH, found)
    assert plans["lvs1"].changes == ()
    assert Op("stray", (f"{VIP}/24", "eth0")) in operations(plans["lvs2"])[0], (
        "it is asked again by then"
    )


def test_who_has_an_address_from_a_hand_has_none_to_hand_over() -> None:
    web = topology([frontend()]).frontends[0]
    found = stray(BOTH, looked("lvs1", "MASTER"), looked("lvs2", "BACKUP"))
    plans = with_strays(BOTH, found)
    assert (removes_vip_of(plans["lvs1"], web), removes_vip_of(plans["lvs2"], web)) == (False, True)


def test_a_hand_over_under_way_is_none() -> None:
    assert stray(BOTH, looked("lvs1", "MASTER"), looked("lvs2", "BACKUP", held=False)) == []


def test_a_split_brain_is_no_hands_work() -> None:
    assert stray(BOTH, looked("lvs1", "MASTER"), looked("lvs2", "MASTER")) == []
    assert stray(BOTH) == [], "nobody could be asked"


def test_a_vip_on_the_interface_of_a_real_server_is_taken_off() -> None:
    plans = {**ONE, "web1": holder("web1", f"{VIP}/32", director=False)}
    assert needs_vrrp_state(plans) == ("lvs1",)
    found = stray(plans, looked("lvs1", "MASTER"))
    assert [host for host, _ in found] == ["web1"]
    del_it = Op("address", ("del", f"{VIP}/32", "eth0", ""))
    assert del_it in operations(with_strays(plans, found)["web1"])[0], (
        "no Keepalived there to be asked"
    )
