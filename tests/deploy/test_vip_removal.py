"""A VIP leaves a real server after the directors have changed; hactl owns it until then."""

from __future__ import annotations

from provision.core.facts import Facts
from provision.deploy.inspection import Inspection
from provision.deploy.operations import ledger, operations
from provision.deploy.plan import HostPlan, plan_host
from provision.deploy.vip_removal import defer, split
from provision.desired.items import Address, DesiredHost, File, Sysctl
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.protocol import LedgerEntry

OLD, NEW = Address("10.0.0.1/32", "lo", "lo:0"), Address("10.0.0.2/32", "lo", "lo:0")
LIST = "/etc/hactl/lo-vips"


def server(
    *addresses: Address, device: str = "lo", entries: tuple[LedgerEntry, ...] = ()
) -> HostPlan:
    """A real server that has OLD and will have `addresses`, as its file lists them."""
    content = "".join(f"{address.name}\n" for address in addresses).encode()
    items = {
        ("address", OLD.name): ObservedItem("address", OLD.name, {"device": device}),
        ("address", NEW.name): ObservedItem("address", NEW.name, None),
    }
    owned = (LedgerEntry("address", OLD.name, ()), *entries)
    return plan_host(
        DesiredHost("web1", (File(LIST, content), *addresses)),
        Observed(Facts(), items, owned, generation=3),
        frozenset(),
    )


def director() -> HostPlan:
    return plan_host(
        DesiredHost("lvs1", (Sysctl("net.ipv4.ip_forward", "1"),)),
        Observed(Facts(), {}),
        frozenset(),
    )


def actions(plan: HostPlan) -> list[tuple[str, str]]:
    return [(change.action, change.name) for change in plan.changes]


def test_the_new_vip_comes_early_and_the_old_vip_goes_late() -> None:
    early, late = split(server(NEW))
    assert late is not None
    assert actions(early) == [("create", LIST), ("create", NEW.name)]
    assert actions(late) == [("remove", OLD.name)]


def test_hactl_owns_the_old_vip_until_it_is_removed() -> None:
    early, late = split(server(NEW))
    assert late is not None
    between = ledger(early.desired, early.observed)
    assert ("address", OLD.name) in {(entry.kind, entry.name) for entry in between}
    after = ledger(late.desired, late.observed)
    assert {(entry.kind, entry.name) for entry in after} == {("file", LIST), ("address", NEW.name)}
    assert [op.args[:2] for op in operations(late)[0] if op.verb == "address"] == [
        ("del", OLD.name)
    ]
    assert not [op for op in operations(early)[0] if op.verb == "address" and op.args[0] == "del"]


def test_a_plan_without_leaving_vips_is_not_split() -> None:
    plan = server(OLD, NEW)
    assert split(plan) == (plan, None)


def test_an_address_on_another_interface_is_not_a_vip_of_a_real_server() -> None:
    plan = server(NEW, device="eth0")
    assert split(plan) == (plan, None)


def test_the_removal_is_deferred_only_if_a_director_changes_too() -> None:
    inspection = Inspection(plans={"web1": server(NEW), "lvs1": director()})
    assert list(defer(inspection, ("lvs1",))) == ["web1"]
    assert actions(inspection.plans["web1"]) == [("create", LIST), ("create", NEW.name)]
    alone = Inspection(plans={"web1": server(NEW)})
    assert defer(alone, ("lvs1",)) == {}
    assert ("remove", OLD.name) in actions(alone.plans["web1"])


def test_nothing_of_a_decommissioned_host_is_deferred() -> None:
    plan = server(NEW)
    decommissioned = plan_host(DesiredHost("web1"), plan.observed, frozenset())
    inspection = Inspection(plans={"web1": decommissioned, "lvs1": director()})
    assert defer(inspection, ("lvs1",)) == {}
