"""Manual changes that no desired item covers: what a deploy repairs, and what it leaves alone."""

from __future__ import annotations

import dataclasses

import pytest

from provision.core.facts import Facts, Interface
from provision.deploy.drift import absent_servers
from provision.desired.items import Address, File, Unit, VipItem
from provision.hosts.agent.observe import ObservedItem
from provision.hosts.agent.payload import Op
from provision.hosts.protocol import LedgerEntry
from tests.deploy.building import (
    KEEPALIVED,
    LIVE,
    VIP,
    VIRTUAL,
    WEB,
    details,
    installed,
    plan,
    rules_file,
    table_ops,
)


def edited(old: str, new: str) -> tuple[str, ...]:
    """The live table after an edit."""
    assert any(old in line for line in LIVE)
    return tuple(line.replace(old, new) for line in LIVE)


def test_a_table_without_manual_changes_needs_no_change() -> None:
    assert plan().changes == () and plan().left_alone == ()


def test_a_weight_set_by_hand_is_set_back() -> None:
    host = plan(table=edited("-w 3", "-w 7"))
    assert details(host) == [("update", "web2 -g -w 7 → -g -w 3")]
    assert table_ops(host) == [
        Op("table", ("-e", WEB, "-r 10.0.0.2:80 -g -w 3", "-r 10.0.0.2:80 -g -w 7"))
    ]


def test_another_scheduler_and_another_method_are_set_back() -> None:
    assert details(plan(table=edited("-s rr", "-s wlc"))) == [("update", "-s wlc → -s rr")]
    assert details(plan(table=edited("10.0.0.1:80 -g", "10.0.0.1:80 -m"))) == [
        ("update", "web1 -m -w 1 → -g -w 1")
    ]


def test_a_table_emptied_by_hand_is_filled_by_keepalived_itself() -> None:
    host = plan(table=())
    assert details(host) == [("create", "not in the table: restart Keepalived's checker")]
    assert table_ops(host) == [Op("checker", (WEB,))]


def test_the_limits_that_ipvsadm_does_not_print_are_set_again_with_the_weight() -> None:
    limited = (LIVE[0], f"{LIVE[1]} -x 9", LIVE[2])
    host = plan(rules_file(*limited), KEEPALIVED, VIRTUAL, table=edited("-w 1", "-w 2"))
    assert table_ops(host)[0].args[2:] == (
        "-r 10.0.0.1:80 -g -w 1 -x 9",
        "-r 10.0.0.1:80 -g -w 2 -x 9",
    )


BY_IPVSADM = dataclasses.replace(
    rules_file(LIVE[0], f"{LIVE[1]} -x 9", LIVE[2]), unit="ipvsadm.service"
)
IPVSADM = (BY_IPVSADM, Unit("ipvsadm.service"), VIRTUAL)


def test_a_table_of_ipvsadm_that_was_emptied_is_filled_again_entry_by_entry() -> None:
    host = plan(*IPVSADM, table=())
    assert [change.action for change in host.changes] == ["create"] * 3
    assert table_ops(host) == [
        Op("table", ("-A", WEB, "-s rr", "")),
        Op("table", ("-a", WEB, "-r 10.0.0.1:80 -g -w 1 -x 9", "-r 10.0.0.1:80")),
        Op("table", ("-a", WEB, "-r 10.0.0.2:80 -g -w 3", "-r 10.0.0.2:80")),
    ]


def test_a_server_missing_from_the_table_of_ipvsadm_was_removed_by_hand() -> None:
    host = plan(*IPVSADM, table=LIVE[:2])
    assert details(host) == [("create", "web2 -g -w 3, missing")]
    assert absent_servers(host.desired, host.observed) == (), "no check runs, so there is no log"


def test_only_the_inventory_sets_weights_in_the_table_of_ipvsadm() -> None:
    dynamic = dataclasses.replace(VIRTUAL, weights="any")
    host = plan(*IPVSADM[:2], dynamic, table=edited("-w 3", "-w 7"))
    assert details(host) == [("update", "web2 -g -w 7 → -g -w 3")]
    assert plan(*IPVSADM).changes == () and plan(*IPVSADM).left_alone == ()


@pytest.mark.parametrize(
    "file, unit", [({"sha256": "0"}, {}), ({"mode": "0600"}, {}), ({}, {"current": "no"})]
)
def test_rules_that_a_reload_will_load_are_not_repaired_one_by_one(
    file: dict[str, str], unit: dict[str, str]
) -> None:
    was = (installed(BY_IPVSADM, **file), installed(IPVSADM[1], **unit))
    host = plan(*IPVSADM, was=was, table=())
    assert table_ops(host) == [] and "reload" in host.changes[-1].detail


@pytest.mark.parametrize(
    "weights, weight, drift",
    [("fixed", 0, True), ("zero", 0, False), ("zero", 9, True), ("any", 9, False)],
)
def test_a_weight_that_a_check_may_have_set_is_no_drift(
    weights: str, weight: int, drift: bool
) -> None:
    virtual = dataclasses.replace(VIRTUAL, weights=weights)
    host = plan(rules_file(*LIVE), KEEPALIVED, virtual, table=edited("-w 3", f"-w {weight}"))
    assert bool(host.changes) is drift


def test_a_drain_is_no_drift_and_is_not_undone() -> None:
    drained = {"web2": "ops@desk, 2026-11-22T08:00:00Z"}
    assert plan(table=edited("-w 3", "-w 0"), drained=drained).changes == ()
    assert details(plan(drained=drained)) == [("update", "web2 -g -w 3 → -g -w 0")], (
        "somebody set the weight of a drained server"
    )


def test_a_rule_that_the_next_reload_changes_is_not_compared() -> None:
    """The installed rules say 7, so Keepalived has set 7; after the reload it sets 3."""
    old = rules_file(*edited("-w 3", "-w 7"))
    was = (ObservedItem("file", old.name, {**old.attributes()}, old.content), installed(KEEPALIVED))
    host = plan(was=was, table=edited("-w 3", "-w 7"))
    assert [change.kind for change in host.changes] == ["file"]


@pytest.mark.parametrize("was", [(), (installed(KEEPALIVED, active="no"),)])
def test_the_table_is_not_compared_before_keepalived_runs(was: tuple[ObservedItem, ...]) -> None:
    assert all(change.kind != "virtual" for change in plan(was=was, table=()).changes)


def test_unmanaged_items_are_named_and_left_alone() -> None:
    host = plan(
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
    assert host.changes == ()
    assert host.left_alone == (
        "file /etc/keepalived/extra.conf",
        f"real server 10.0.0.9:80 in {WEB}",
        "IPVS service -t 10.9.9.9:25",
        "address 10.8.8.8/32 on lo",
        "address 10.7.7.7/32 on eth0",
    )


def test_items_that_hactl_owns_are_removed_and_not_left_alone() -> None:
    """A service, an address and a file are in the ledger and left the inventory."""
    old = rules_file(*LIVE)
    was = (ObservedItem("file", old.name, old.attributes(), old.content),)
    host = plan(
        rules_file("# nothing any more"),
        Address("10.1.1.1/32", "lo"),
        was=was,
        loopback=("10.8.8.8/32",),
        entries=("/etc/keepalived/old.conf",),
        ledger=(
            LedgerEntry("address", "10.8.8.8/32"),
            LedgerEntry("file", "/etc/keepalived/old.conf"),
        ),
    )
    assert host.left_alone == ()


def test_a_sorry_server_that_answers_is_neither_drift_nor_unmanaged() -> None:
    virtual = dataclasses.replace(VIRTUAL, sorry="10.0.0.9:80")
    table = (LIVE[0], f"-a {WEB} -r 10.0.0.9:80 -g -w 1")
    host = plan(rules_file(*LIVE), KEEPALIVED, virtual, table=table)
    assert (host.changes, host.left_alone) == ((), ())
