"""Inspect a site: how each host differs from the inventory, manual changes included.

`plan`, `deploy` and `verify` all use this module, so they always agree about drift. Nothing
changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from provision.core.errors import HostError
from provision.core.facts import Facts
from provision.deploy import manual_edits
from provision.deploy.plan import HostPlan, plan_host
from provision.desired.items import DesiredHost
from provision.hosts.agent.look import look_with
from provision.hosts.agent.observe import observe
from provision.hosts.channel import Session
from provision.hosts.live.health import health

Render = Callable[[str, Facts], DesiredHost]


def inspect_host(session: Session, render: Render, secrets: frozenset[str]) -> HostPlan:
    """The plan of one host, from its own state alone; one exec. `secrets` are masked in its diffs.

    Raises:
        HostError: the connection was lost, or the host's answer cannot be read.
        HactlError: raised by `render`.
    """
    desired, observed = observe(session, lambda facts: render(session.host, facts))
    return plan_host(desired, observed, secrets)


def compare(
    plans: Mapping[str, HostPlan], session_of: Callable[[str], Session]
) -> dict[str, HostPlan]:
    """The plans with the manual changes that one host's state does not show.

    It takes one more exec on two kinds of directors. A director that holds an address which another
    host holds too is asked whether it is master. A director whose table lacks a real server is
    asked for the results of its health checks. If a host does not answer, its plan stays the same.
    """
    plans = dict(plans)
    lives, health_by_host = {}, {}
    hosts = (*manual_edits.needs_vrrp_state(plans), *manual_edits.needs_check_log(plans))
    for host in dict.fromkeys(hosts):
        with suppress(HostError):
            lives[host], sections = look_with(session_of(host), "status")
            health_by_host[host] = health(sections.get("checks", ()))
    for host, change in manual_edits.manually_added_vips(plans, lives):
        plans[host] = plans[host].with_changes(change)
    for host, live in lives.items():
        plans[host] = plans[host].with_changes(
            *manual_edits.manually_removed_servers(
                plans[host], health_by_host[host], live.ipvs_saved
            )
        )
    return plans
