"""VIPs leave a real server only when no director sends it packets for them. Pure.

Real servers change first: a new VIP must be there before a director sends connections to it. For
the same reason an old VIP goes last: until the directors have changed they still send packets for
it, and a server without the VIP drops them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from provision.deploy.inspection import Inspection
from provision.deploy.operations import ledger
from provision.deploy.plan import Change, HostPlan
from provision.desired.items import Address


def split(plan: HostPlan) -> tuple[HostPlan, HostPlan | None]:
    """The plan that keeps old VIPs, which hactl still owns, and the plan that removes them.

    The second plan is None if no VIP leaves. It is also None if the plan removes a unit: then the
    service takes its VIPs with it.
    """
    removals = tuple(change for change in plan.changes if _is_vip_removal(change))
    if not removals or any(
        change.kind == "unit" and change.action == "remove" for change in plan.changes
    ):
        return plan, None
    others = tuple(change for change in plan.changes if change not in removals)
    kept = tuple(Address(change.name, change.was["device"]) for change in removals)
    early = replace(
        plan, changes=others, desired=replace(plan.desired, items=(*plan.desired.items, *kept))
    )
    owned = ledger(early.desired, plan.observed)
    return early, replace(plan, changes=removals, observed=replace(plan.observed, ledger=owned))


def _is_vip_removal(change: Change) -> bool:
    return (
        change.kind == "address" and change.action == "remove" and change.was.get("device") == "lo"
    )


def defer(inspection: Inspection, directors: Collection[str]) -> dict[str, HostPlan]:
    """Take the removal of VIPs out of the plans of `inspection`; returns plans that remove them.

    Nothing is deferred if no director changes.
    """
    plans = inspection.plans
    if not any(plans[host].changes for host in directors if host in plans):
        return {}
    deferred = {}
    for host, plan in list(plans.items()):
        early, late = split(plan)
        if late is not None and host not in directors and not _is_decommissioned(plan):
            plans[host], deferred[host] = early, late
    return deferred


def _is_decommissioned(plan: HostPlan) -> bool:
    """Whether the host loses everything: such a host changes after the directors anyway."""
    return not plan.desired.items
