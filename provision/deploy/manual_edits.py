"""Manual changes that one host's state does not show: added VIPs, removed real servers. Pure.

Only one host may hold a VIP, so all hosts are compared with each other. A real server is missing
from a director's table for one of two reasons: its health check failed, or somebody removed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from provision.deploy.change import Change
from provision.deploy.drift import absent_servers, restart_checker
from provision.deploy.plan import HostPlan
from provision.hosts.live.health import Health, words_on
from provision.hosts.live.state import LiveHost

VipHolder = tuple[str, str, str]
"""A host, its interface, and the address there with its prefix length."""


def vip_holders(plans: Mapping[str, HostPlan]) -> dict[str, tuple[VipHolder, ...]]:
    """The holders of each VIP. A VIP on the loopback interface does not count."""
    vips = {item.name for plan in plans.values() for item in plan.desired.of("vip")}
    holders: dict[str, list[VipHolder]] = {}
    for host, plan in plans.items():
        for interface in plan.observed.facts.interfaces:
            for cidr in interface.addresses:
                if (address := cidr.partition("/")[0]) in vips:
                    holders.setdefault(address, []).append((host, interface.name, cidr))
    return {address: tuple(hosts) for address, hosts in holders.items()}


def needs_vrrp_state(plans: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """The directors that hold a VIP which another host holds as well: is either of them master?"""
    directors = {
        host
        for address, holders in vip_holders(plans).items()
        if len(holders) > 1
        for host, _, _ in holders
        if plans[host].desired.get("vip", address)
    }
    return tuple(sorted(directors))


def manually_added_vips(
    plans: Mapping[str, HostPlan], lives: Mapping[str, LiveHost]
) -> Iterator[tuple[str, Change]]:
    """The VIPs that somebody added to a host, as that host and the change that removes the VIP.

    The host is not a director of the VIP, or not its master. `lives` has the state of the directors
    that share a VIP. Two masters are a split brain, which no change of a host repairs.
    """
    for address, holders in vip_holders(plans).items():
        for host, interface, cidr in holders:
            if not plans[host].desired.get("vip", address):
                yield host, _vip_removal(cidr, interface, "not its director")
            elif len(holders) > 1 and host in lives and _is_backup(lives[host], address):
                yield host, _vip_removal(cidr, interface, "not its master", unless="master")


def _is_backup(live: LiveHost, address: str) -> bool:
    """Whether a host still holds an address of its Keepalived, which is not master of it."""
    states = [instance.state for instance in live.vrrp if address in instance.vips]
    return live.holds(address) and bool(states) and "MASTER" not in states


def _vip_removal(cidr: str, interface: str, reason: str, **was: str) -> Change:
    """Remove a VIP. With `unless`, the host keeps it if it has that VRRP state by then."""
    detail = f"from {interface}: added by hand, {reason}"
    return Change("address", cidr, "remove", detail, was={"device": interface, **was})


def needs_check_log(plans: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """The directors whose table lacks a real server: the log says whether a check removed it."""
    return tuple(
        host for host, plan in plans.items() if absent_servers(plan.desired, plan.observed)
    )


def manually_removed_servers(
    plan: HostPlan, health: Mapping[str, Health], table: Sequence[str]
) -> Iterator[Change]:
    """The real servers that somebody removed from a director's table.

    The checker that runs now found the server healthy and removed it from no service. `table` is
    `ipvsadm -Sn`, read after the log, so it contains a server that a check has just brought back.
    If the log says nothing about a server, its state is unknown and it does not change.
    """
    observed = replace(plan.observed, table=tuple(table))
    for virtual, host, place in absent_servers(plan.desired, observed):
        results = words_on(health, place)
        if results and all(result.well and not result.out_of for result in results):
            detail = f"{host} is missing, its check succeeds"
            yield restart_checker(virtual, detail, place)
