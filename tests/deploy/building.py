"""The plan of a director with one service of two real servers, and the state that it observes."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import Any

from provision.core.facts import Facts
from provision.deploy.drift import RULES
from provision.deploy.operations import operations
from provision.deploy.plan import HostPlan, plan_host
from provision.desired.items import DesiredHost, File, Item, Unit, VirtualService
from provision.hosts.agent.observe import Observed, ObservedItem
from provision.hosts.agent.payload import Op

WEB = "-t 192.168.227.10:80"
SERVERS = ("web1 10.0.0.1:80 -g -w 1", "web2 10.0.0.2:80 -g -w 3")
VIRTUAL = VirtualService(WEB, "-s rr", SERVERS)
LIVE = (f"-A {WEB} -s rr", f"-a {WEB} -r 10.0.0.1:80 -g -w 1", f"-a {WEB} -r 10.0.0.2:80 -g -w 3")
KEEPALIVED = Unit("keepalived.service")
VIP = "192.168.227.10"


def rules_file(*lines: str) -> File:
    return File(RULES[0], "".join(f"{line}\n" for line in ("# ours", *lines)).encode(), "0640")


def installed(item: Item, **attributes: str) -> ObservedItem:
    """The item as a host shows it, except for the given attributes."""
    return ObservedItem(item.kind, item.name, {**item.attributes(), **attributes})


def plan(
    *items: Item, was: tuple[ObservedItem, ...] | None = None, host: str = "lvs1", **state: Any
) -> HostPlan:
    """The plan of a director in its desired state, except for `was` and the given fields."""
    items = items or (rules_file(*LIVE), KEEPALIVED, VIRTUAL)
    if was is None:
        was = tuple(installed(item) for item in items if item.kind not in ("vip", "virtual"))
    observed_items = MappingProxyType({(item.kind, item.name): item for item in was})
    observed = dataclasses.replace(Observed(Facts(), observed_items, table=LIVE), **state)
    return plan_host(DesiredHost(host, items), observed, frozenset())


def details(plan: HostPlan) -> list[tuple[str, str]]:
    return [(change.action, change.detail) for change in plan.changes]


def table_ops(plan: HostPlan) -> list[Op]:
    return [op for op in operations(plan)[0] if op.verb in ("table", "checker")]
