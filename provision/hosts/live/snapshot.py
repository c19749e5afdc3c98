"""The states of all hosts beside the states that the inventory expects: the input of all checks."""

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
    """The state that the inventory expects of one host with its present interfaces."""

    interface: str
    instances: tuple[Instance, ...]
    services: tuple[IpvsService, ...]
    sync: Sync | None
    lo_vips: tuple[RealServerVip, ...]
    tunnel_devices: tuple[str, ...]
    forwarding: tuple[int, ...]


@dataclass(frozen=True)
class Snapshot:
    """The states of the hosts. Hosts of `topology` that are not in `lives` were not inspected."""

    topology: Topology
    lives: Mapping[str, LiveHost]
    _expected: dict[str, Expected] = field(default_factory=dict, repr=False, compare=False)

    def expected(self, host: str) -> Expected:
        """Return the expected state of a host that was inspected.

        Raises:
            InputError: the host's interface is unknown.
        """
        if host not in self._expected:
            self._expected[host] = _expected_of(self.topology, self.lives[host])
        return self._expected[host]

    def directors(self, frontend: ResolvedFrontend) -> Iterator[LiveHost]:
        """Return the directors of a front end that were inspected, by falling priority."""
        return (
            self.lives[director.host]
            for director in frontend.directors
            if director.host in self.lives
        )

    def unseen(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """Return the directors of a front end that were not inspected: their state is unknown."""
        hosts = (director.host for director in frontend.directors)
        return tuple(dict.fromkeys(host for host in hosts if host not in self.lives))

    def instances(
        self, frontend: ResolvedFrontend
    ) -> Iterator[tuple[LiveHost, Instance, VrrpInstance | None]]:
        """Yield the expected instances of a front end's directors with the running instances."""
        for live in self.directors(frontend):
            for instance in self.expected(live.host).instances:
                if instance.frontend == frontend.name:
                    running = (vrrp for vrrp in live.vrrp if vrrp.name == instance.name)
                    yield live, instance, next(running, None)

    def vips(self) -> dict[str, ResolvedFrontend]:
        """Return the front ends by virtual address."""
        return {
            str(vip.address): frontend
            for frontend in self.topology.frontends
            for vip in frontend.vips
        }

    @cached_property
    def clock(self) -> float:
        """The median of the hosts' clocks, in seconds relative to the controller's."""
        return statistics.median(live.clock for live in self.lives.values())


def _expected_of(topology: Topology, live: LiveHost) -> Expected:
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
    """Return the facts that are needed to find the host's interface."""
    cidrs: dict[str, list[str]] = {}
    for entry in live.addresses:
        if entry.interface != "lo" and entry.scope == "global":
            cidrs.setdefault(entry.interface, []).append(f"{entry.address}/{entry.prefix}")
    interfaces = tuple(Interface(name, tuple(addresses)) for name, addresses in cidrs.items())
    return Facts(interfaces=interfaces, default_interface=next(iter(cidrs), ""))
