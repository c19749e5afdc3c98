"""What was seen of all hosts, beside what the inventory wants of each: what every judgement starts from."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from provision.core.facts import Facts, Interface
from provision.desired.host_variables import RealServerVip, host_variables
from provision.desired.ipvs_rules import IpvsService
from provision.desired.keepalived_variables import Instance, Sync
from provision.hosts.live.state import LiveHost, VrrpInstance
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology


@dataclass(frozen=True)
class Expected:
    """What the inventory wants of one host, its interfaces being what they are."""

    interface: str
    instances: tuple[Instance, ...]
    services: tuple[IpvsService, ...]
    sync: Sync | None
    lo_vips: tuple[RealServerVip, ...]
    tunnel_devices: tuple[str, ...]
    forwarding: tuple[int, ...]


@dataclass(frozen=True)
class Snapshot:
    """The hosts that were looked at; `topology` may name others, of which nothing is said then."""

    topology: Topology
    lives: Mapping[str, LiveHost]
    _wanted: dict[str, Expected] = field(default_factory=dict, repr=False, compare=False)

    def wanted(self, host: str) -> Expected:
        """What the inventory wants of a host that was looked at. Raises InputError where its interface is unknown."""
        if host not in self._wanted:
            self._wanted[host] = _wanted(self.topology, self.lives[host])
        return self._wanted[host]

    def directors(self, frontend: ResolvedFrontend) -> Iterator[LiveHost]:
        """The directors of a front end that were looked at, the best first."""
        return (self.lives[each.host] for each in frontend.directors if each.host in self.lives)

    def unseen(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """The directors of a front end that were not looked at: what they hold is unknown."""
        return tuple(
            dict.fromkeys(each.host for each in frontend.directors if each.host not in self.lives)
        )

    def instances(
        self, frontend: ResolvedFrontend
    ) -> Iterator[tuple[LiveHost, Instance, VrrpInstance | None]]:
        """For each director of a front end, each instance it must run, with the one its Keepalived reports."""
        for live in self.directors(frontend):
            for instance in self.wanted(live.host).instances:
                if instance.frontend == frontend.name:
                    yield (
                        live,
                        instance,
                        next((own for own in live.vrrp if own.name == instance.name), None),
                    )

    def vips(self) -> dict[str, ResolvedFrontend]:
        """Every virtual address and its front end."""
        return {
            str(vip.address): frontend
            for frontend in self.topology.frontends
            for vip in frontend.vips
        }

    @cached_property
    def clock(self) -> float:
        """The median of the hosts' clocks, in seconds against the controller's."""
        return statistics.median(live.clock for live in self.lives.values())


def _wanted(topology: Topology, live: LiveHost) -> Expected:
    facts = topology.hosts[live.host].hactl_facts.over(_facts(live))
    variables: Mapping[str, Any] = host_variables(topology, live.host, facts)
    families = [(4, variables["needs_ip_forward"]), (6, variables["needs_ipv6_forward"])]
    return Expected(
        interface=variables["interface"],
        instances=variables["vrrp_instances"],
        services=variables["ipvs_services"],
        sync=variables["sync_daemon"],
        lo_vips=variables["real_server_vips"],
        tunnel_devices=tuple(end.device for end in variables["tunnel_ends"]),
        forwarding=tuple(family for family, needed in families if needed),
    )


def _facts(live: LiveHost) -> Facts:
    """As much of the facts as finding the host's interface takes."""
    found: dict[str, list[str]] = {}
    for own in live.addresses:
        if own.interface != "lo" and own.scope == "global":
            found.setdefault(own.interface, []).append(f"{own.address}/{own.prefix}")
    interfaces = tuple(Interface(name, tuple(addresses)) for name, addresses in found.items())
    return Facts(interfaces=interfaces, default_interface=next(iter(found), ""))
