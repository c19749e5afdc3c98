"""Resolved front ends: their directors with priorities, and their real servers with weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from provision.core.errors import InputError, Problem
from provision.inventory.hosts import Inventory
from provision.inventory.model.frontend import Frontend, Vip
from provision.inventory.model.service import RealServerOptions, Service
from provision.inventory.model.text import IpAddress
from provision.inventory.model.vrrp import Vrrp
from provision.inventory.settings import HostSettings
from provision.inventory.source import Node
from provision.inventory.wording import nearest

Settings = Mapping[str, HostSettings]


@dataclass(frozen=True)
class Director:
    """A director of a front end and its base priority there."""

    host: str
    priority: int


@dataclass(frozen=True)
class RealServer:
    """A real server of a service. `options` include the service's defaults."""

    host: str
    options: RealServerOptions
    addresses: tuple[IpAddress, ...]

    def address(self, family: int) -> IpAddress | None:
        """Its address of a family, 4 or 6."""
        return next((address for address in self.addresses if address.version == family), None)


@dataclass(frozen=True)
class ResolvedService:
    """A service, its virtual addresses and its real servers, in inventory order."""

    model: Service
    vips: tuple[Vip, ...]
    real_servers: tuple[RealServer, ...]
    node: Node = field(compare=False, repr=False)

    @property
    def families(self) -> tuple[int, ...]:
        """The address families of its VIPs, 4 first."""
        return tuple(sorted({vip.family for vip in self.vips}))

    @property
    def addresses(self) -> tuple[IpAddress, ...]:
        """The addresses that clients use: its VIPs and the ranges of its group.

        The network routes the ranges to the directors.
        """
        group = self.model.virtual_server_group
        return (*(vip.address for vip in self.vips), *(group.addresses if group else ()))

    def forward(self, server: RealServer) -> str:
        """The forwarding method towards a real server: dr, nat or tun."""
        return server.options.forward or self.model.forward

    def port(self, server: RealServer) -> int | None:
        """The port on a real server; None for the port that the client used."""
        return server.options.port or self.model.port

    def weight(self, server: RealServer) -> int:
        """The weight of a real server, 1 by default (ipvsadm(8), -w)."""
        return 1 if server.options.weight is None else server.options.weight


@dataclass(frozen=True)
class ResolvedFrontend:
    """A front end; its directors by falling priority."""

    model: Frontend
    directors: tuple[Director, ...]
    services: tuple[ResolvedService, ...]
    node: Node = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The name of the front end."""
        return self.model.name

    @property
    def vrrp(self) -> Vrrp:
        """The VRRP settings."""
        return self.model.vrrp

    @property
    def vips(self) -> tuple[Vip, ...]:
        """The virtual addresses."""
        return self.model.vips

    @property
    def master(self) -> str:
        """The host that holds the virtual addresses in normal operation."""
        return self.directors[0].host

    @property
    def backups(self) -> tuple[str, ...]:
        """The other directors, the one with the highest priority first."""
        return tuple(director.host for director in self.directors[1:])

    @property
    def real_servers(self) -> tuple[str, ...]:
        """The hosts behind its services, without duplicates."""
        hosts = (server.host for service in self.services for server in service.real_servers)
        return tuple(dict.fromkeys(hosts))

    @property
    def crash_bound(self) -> float:
        """Seconds within which the first backup notices a failed master (RFC 5798 §6.1)."""
        return self.vrrp.down_after(self.directors[min(1, len(self.directors) - 1)].priority)

    def priority(self, host: str) -> int:
        """The base priority of a director of this front end."""
        return next(director.priority for director in self.directors if director.host == host)


def resolve_frontend(
    model: Frontend, node: Node, inventory: Inventory, settings: Settings
) -> ResolvedFrontend:
    """The front end with groups and names resolved to hosts. Raises InputError with every
    problem."""
    problems: list[Problem] = []
    directors = named_hosts(model.directors, node.at("directors"), inventory, problems)
    problems += _unknown_hosts(model.priorities, directors, node.at("priorities"), "directors")
    services = []
    for index, service in enumerate(model.services):
        place = node.at("services", index)
        servers = named_hosts(service.real_servers, place.at("real_servers"), inventory, problems)
        options = place.at("real_server_options")
        problems += _unknown_hosts(service.real_server_options, servers, options, "real servers")
        vips = _service_vips(model, service, place, problems)
        services.append(
            ResolvedService(
                service,
                vips,
                tuple(_real_server(service, host, settings) for host in servers),
                place,
            )
        )
        problems += _address_family_problems(services[-1])
    if problems:
        raise InputError(problems)
    return ResolvedFrontend(
        model, _ranked_directors(model, directors, settings), tuple(services), node
    )


def named_hosts(
    names: Sequence[str], node: Node, inventory: Inventory, problems: list[Problem]
) -> tuple[str, ...]:
    """The hosts that `names` (groups and hosts) mean, without duplicates, in their order."""
    hosts: dict[str, None] = {}
    for index, name in enumerate(names):
        place = node.at(index).position
        if name in inventory.groups:
            members = inventory.members(name)
            if not members:
                problems.append(
                    Problem(
                        place,
                        "empty-group",
                        f"group `{name}` has no hosts",
                        "no host would do its work",
                        "add hosts to it",
                    )
                )
            hosts.update(dict.fromkeys(members))
        elif name in inventory.hosts:
            hosts[name] = None
        else:
            known = chain(inventory.groups, inventory.hosts)
            message = f"there is no group or host `{name}`"
            problems.append(
                Problem(
                    place,
                    "unknown-group",
                    message,
                    "its hosts are needed here",
                    nearest(name, known),
                )
            )
    return tuple(hosts)


def _unknown_hosts(
    options: Mapping[str, object], hosts: Sequence[str], node: Node, kind: str
) -> Iterator[Problem]:
    """Problems of options for hosts that are not among `hosts`; `kind` names these."""
    for name in options:
        if name not in hosts:
            yield Problem(
                node.key_position(name),
                "unknown-host",
                f"`{name}` is not one of the {kind} here",
                "the setting would have no effect",
                nearest(name, hosts),
            )


def _ranked_directors(
    model: Frontend, hosts: Sequence[str], settings: Settings
) -> tuple[Director, ...]:
    """The directors by falling priority.

    The priority is that of the front end, else that of the host, else 100, 99, … in order.
    """
    ranked = []
    for index, host in enumerate(hosts):
        priority = model.priorities.get(host) or settings[host].vrrp_priority
        ranked.append(Director(host, priority or max(1, 100 - index)))
    return tuple(sorted(ranked, key=lambda director: -director.priority))


def _service_vips(
    model: Frontend, service: Service, node: Node, problems: list[Problem]
) -> tuple[Vip, ...]:
    """The front end's addresses that the service names, or all of them."""
    known = {vip.address: vip for vip in model.vips}
    for index, address in enumerate(service.vips):
        if address not in known:
            place = node.at("vips", index).position
            message = f"{address} is not a VIP of this front end"
            fix = f"use one of {', '.join(str(vip) for vip in known)}"
            problems.append(
                Problem(place, "unknown-vip", message, "no director would hold it", fix)
            )
    group = service.virtual_server_group
    for address in group.addresses if group else ():
        if address in known:
            message = f"{address} is a VIP and in `ranges` as well"
            why = "its connections would be balanced twice"
            place = node.at("virtual_server_group", "ranges").position
            problems.append(
                Problem(place, "range-holds-vip", message, why, "remove it from the range")
            )
    return tuple(vip for vip in model.vips if not service.vips or vip.address in service.vips)


def _real_server(service: Service, host: str, settings: Settings) -> RealServer:
    options = service.real_server_options.get(host, RealServerOptions())
    options = options.over(service.real_server_defaults)
    addresses = (options.address,) if options.address else settings[host].address
    return RealServer(host, options, addresses)


def _address_family_problems(service: ResolvedService) -> Iterator[Problem]:
    """Problems of real servers without an address of a VIP's family, unless a tunnel connects
    them."""
    for server in service.real_servers:
        for family in service.families:
            if server.addresses and not server.address(family) and service.forward(server) != "tun":
                place = service.node.at("real_servers").position
                message = f"{server.host} has no IPv{family} address"
                why = (
                    f"the service is on an IPv{family} VIP, and only a tunnel connects the families"
                )
                known = ", ".join(map(str, server.addresses)) or "…"
                fix = f"give the host `address: [{known}, …]`, or limit `vips`"
                yield Problem(place, "address-family", message, why, fix)
