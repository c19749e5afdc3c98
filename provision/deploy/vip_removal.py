"""VIPs that leave a real server: it keeps them on its loopback until no director sends it anything for them. Pure.

Real servers change first, as a new VIP must be there before a director sends connections to it. The old one has to go
last, by the same reason: until the directors have changed they go on sending to it, and a server without it drops that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from provision.deploy.inspection import Inspection
from provision.deploy.operations import ledger
from provision.deploy.plan import Change, HostPlan
from provision.desired.items import Address


def split(plan: HostPlan) -> tuple[HostPlan, HostPlan | None]:
    """The plan without the VIPs that leave, which the host goes on to own, and the plan that takes them away.

    The second is None where none leaves, and where a service that is taken away takes its VIPs with it.
    """
    going = tuple(change for change in plan.changes if _is_vip_removal(change))
    if not going or any(
        change.kind == "unit" and change.action == "remove" for change in plan.changes
    ):
        return plan, None
    rest = tuple(change for change in plan.changes if change not in going)
    kept = tuple(Address(change.name, change.was["device"]) for change in going)
    early = replace(
        plan, changes=rest, desired=replace(plan.desired, items=(*plan.desired.items, *kept))
    )
    owned = ledger(early.desired, plan.observed)
    return early, replace(plan, changes=going, observed=replace(plan.observed, ledger=owned))


def _is_vip_removal(change: Change) -> bool:
    return (
        change.kind == "address" and change.action == "remove" and change.was.get("device") == "lo"
    )


def defer(found: Inspection, directors: Collection[str]) -> dict[str, HostPlan]:
    """Put off what may linger: `found` has the plans without it, and the plans that take it away are returned.

    Nothing is put off where no director changes.
    """
    if not any(found.plans[host].changes for host in directors if host in found.plans):
        return {}
    late = {}
    for host, plan in list(found.plans.items()):
        early, rest = split(plan)
        if rest is not None and host not in directors and not _leaves(plan):
            found.plans[host], late[host] = early, rest
    return late


def _leaves(plan: HostPlan) -> bool:
    """Whether all of it is taken away: a host that is decommissioned comes after the directors as it is."""
    return not plan.desired.items
