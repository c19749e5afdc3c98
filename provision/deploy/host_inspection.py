"""Inspect a site: what separates each host from the inventory, changes by hand included. Nothing is changed.

Plan, deploy and verify all ask here, so that they never disagree about what has drifted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from provision.core.errors import HostError
from provision.core.facts import Facts
from provision.deploy import manual_edits, missing
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
        HactlError: what `render` raises.
    """
    desired, observed = observe(session, lambda facts: render(session.host, facts))
    return plan_host(desired, observed, secrets)


def compare(
    plans: Mapping[str, HostPlan], session_of: Callable[[str], Session]
) -> dict[str, HostPlan]:
    """The plans, and the changes by hand that one host's state does not show; one more exec on each host in doubt.

    A director with an address that another host has too is asked whether it is master. A director whose table lacks a
    real server is asked what the health checks said. A host that does not answer keeps the plan that it has.
    """
    found = dict(plans)
    lives, said = {}, {}
    for host in dict.fromkeys((*manual_edits.needs_vrrp_state(found), *missing.needs_log(found))):
        with suppress(HostError):
            lives[host], sections = look_with(session_of(host), "status")
            said[host] = health(sections.get("checks", ()))
    for host, change in manual_edits.strays(found, lives):
        found[host] = found[host].with_changes(change)
    for host, live in lives.items():
        found[host] = found[host].with_changes(
            *missing.missing(found[host], said[host], live.ipvs_saved)
        )
    return found
