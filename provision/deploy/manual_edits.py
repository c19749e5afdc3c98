"""VIPs that a hand put where they do not belong: seen over all hosts together, for only one may have each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.deploy.change import Change
from provision.deploy.plan import HostPlan
from provision.hosts.live.state import LiveHost


def vip_holders(plans: Mapping[str, HostPlan]) -> dict[str, tuple[tuple[str, str, str], ...]]:
    """For each VIP the hosts that have it on another interface than lo: host, interface, address with its prefix."""
    vips = {item.name for plan in plans.values() for item in plan.desired.of("vip")}
    found: dict[str, list[tuple[str, str, str]]] = {}
    for host, plan in plans.items():
        for interface in plan.observed.facts.interfaces:
            for cidr in interface.addresses:
                if (address := cidr.partition("/")[0]) in vips:
                    found.setdefault(address, []).append((host, interface.name, cidr))
    return {address: tuple(holders) for address, holders in found.items()}


def needs_vrrp_state(plans: Mapping[str, HostPlan]) -> tuple[str, ...]:
    """The directors that have a VIP that somebody else has as well: they are asked who is master of it."""
    asked = {
        host
        for address, found in vip_holders(plans).items()
        if len(found) > 1
        for host, _, _ in found
        if plans[host].desired.get("vip", address)
    }
    return tuple(sorted(asked))


def strays(
    plans: Mapping[str, HostPlan], lives: Mapping[str, LiveHost]
) -> Iterator[tuple[str, Change]]:
    """The VIPs that a hand put on a host that is no director of them, or is not master of them, by host.

    `lives` are looks at the doubtful ones. Where two are master there is a split brain, which no change mends.
    """
    for address, found in vip_holders(plans).items():
        for host, interface, cidr in found:
            if not plans[host].desired.get("vip", address):
                yield host, _stray(cidr, interface, "no director of it")
            elif len(found) > 1 and host in lives and _idle(lives[host], address):
                yield host, _stray(cidr, interface, "not its master", unless="master")


def _idle(live: LiveHost, address: str) -> bool:
    """Whether a host still has an address that its Keepalived answers for and is not master of."""
    states = [own.state for own in live.vrrp if address in own.vips]
    return live.holds(address) and bool(states) and "MASTER" not in states


def _stray(cidr: str, interface: str, why: str, **was: str) -> Change:
    """`unless` says what the host is asked again before the address is taken off: it may have become that."""
    detail = f"from {interface}: added by hand, {why}"
    return Change("address", cidr, "remove", detail, was={"device": interface, **was})
