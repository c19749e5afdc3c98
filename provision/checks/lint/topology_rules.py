"""Rules over the whole topology: mistakes that parsers accept and that still take a site down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from provision.checks.lint.registry import Hit, rule
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.model.text import IpAddress
from provision.inventory.topology import CLIENTS, Topology

MIN_ADVERT_INTERVAL = 0.1
"""Seconds. Below it, a virtual machine that stalls for three adverts causes a false failover."""


def _hosts_by_address(topology: Topology) -> dict[IpAddress, str]:
    return {
        address: host for host, settings in topology.hosts.items() for address in settings.address
    }


@rule(
    "real-server-is-director",
    "error",
    "A director of a front end is one of its real servers",
    "the backup balances packets of the master again, and packets go in a loop",
    "keepalived issues 2389, 2450; kernel ipvs-sysctl, backup_only",
)
def real_server_is_director(topology: Topology) -> Iterator[Hit]:
    """DR and TUN deliver to an address that the director itself holds; NAT does not."""
    for frontend in topology.frontends:
        directors = {director.host for director in frontend.directors}
        for service in frontend.services:
            for server in service.real_servers:
                if server.host in directors and service.forward(server) != "nat":
                    message = f"{server.host} is both director and real server of `{frontend.name}`"
                    yield (
                        service.node.at("real_servers"),
                        message,
                        "remove it from the directors or from the real servers",
                    )


@rule(
    "vip-is-a-host-address",
    "error",
    "A VIP is the address of a host",
    "that host answers ARP for it, whichever director is master",
    "RFC 5798 §6.1 allows it for the address owner only, which has priority 255",
)
def vip_is_a_host_address(topology: Topology) -> Iterator[Hit]:
    """Compares each VIP with the addresses of all hosts of the inventory."""
    hosts = _hosts_by_address(topology)
    for frontend in topology.frontends:
        for index, vip in enumerate(frontend.vips):
            if vip.address in hosts:
                message = f"the VIP {vip.address} is the address of {hosts[vip.address]}"
                yield (
                    frontend.node.at("vips", index),
                    message,
                    "choose an address that no host has",
                )


@rule(
    "vip-twice",
    "error",
    "Two front ends have the same VIP",
    "two VRRP instances fight for the address, and clients reach either front end",
    "keepalived issue 1515",
)
def vip_twice(topology: Topology) -> Iterator[Hit]:
    """Compares all front ends, whichever directors they have."""
    for first, second in combinations(topology.frontends, 2):
        shared = {vip.address for vip in first.vips} & {vip.address for vip in second.vips}
        for address in sorted(shared, key=str):
            message = f"`{first.name}` and `{second.name}` both have the VIP {address}"
            yield (
                second.node.at("vips"),
                message,
                "give every front end different VIPs, or make one front end with more services",
            )


@rule(
    "vrid-clash",
    "error",
    "Two front ends of one network have the same VRID",
    "directors take adverts of the other front end for adverts of their own front end: "
    "one front end never gets its VIPs, or both hold them",
    "RFC 5798 §5.2.3; keepalived issue 2444",
)
def vrid_clash(topology: Topology) -> Iterator[Hit]:
    """A VRID is unique per network and address family.

    The rule assumes that all directors of an inventory share one network.
    """
    for first, second in combinations(topology.frontends, 2):
        vrid = first.vrrp.virtual_router_id
        if vrid == second.vrrp.virtual_router_id and _families(first) & _families(second):
            message = f"`{first.name}` and `{second.name}` both use virtual_router_id {vrid}"
            yield (
                second.node.at("vrrp", "virtual_router_id"),
                message,
                "give every front end a different number",
            )


def _families(frontend: ResolvedFrontend) -> set[int]:
    return {vip.family for vip in frontend.vips}


@rule(
    "equal-priorities",
    "error",
    "Two directors of a front end have the same priority",
    "both take over at the same time, and only then do their addresses decide",
    "RFC 5798 §6.4.3; keepalived issue 2323",
)
def equal_priorities(topology: Topology) -> Iterator[Hit]:
    """Directors are sorted by falling priority, so equal priorities are neighbours."""
    for frontend in topology.frontends:
        for first, second in zip(frontend.directors, frontend.directors[1:], strict=False):
            if first.priority == second.priority:
                message = (
                    f"{first.host} and {second.host} both have priority {first.priority} "
                    f"in `{frontend.name}`"
                )
                yield (
                    frontend.node.at("directors"),
                    message,
                    "set `vrrp_priority` on one of them, or remove it from both",
                )


@rule(
    "single-director",
    "warning",
    "A front end has only one director",
    "no director takes over when it dies",
    "RFC 5798 §1.2",
)
def single_director(topology: Topology) -> Iterator[Hit]:
    """One director is a load balancer, not a high-availability front end."""
    for frontend in topology.frontends:
        if len(frontend.directors) == 1:
            message = f"`{frontend.name}` has no director besides {frontend.master}"
            yield frontend.node.at("directors"), message, "add a second director"


@rule(
    "dr-port-mapping",
    "error",
    "Direct routing with another port on the real server",
    "DR changes no packet: it arrives at the service's port, nothing listens there, "
    "and the connection is reset",
    "ipvsadm(8), --gatewaying",
)
def dr_port_mapping(topology: Topology) -> Iterator[Hit]:
    """The same applies to tunnels."""
    for frontend in topology.frontends:
        for service in frontend.services:
            for server in service.real_servers:
                port = service.port(server)
                if service.forward(server) in {"dr", "tun"} and port != service.model.port:
                    message = (
                        f"port {service.model.port} of `{frontend.name}` "
                        f"goes to port {port} of {server.host} by DR"
                    )
                    yield service.node.at("port"), message, "use the same port, or `forward: nat`"


@rule(
    "no-check",
    "warning",
    "Real servers without a check",
    "a dead real server keeps its share of the connections",
    "keepalived.conf(5), real_server",
)
def no_check(topology: Topology) -> Iterator[Hit]:
    """A service needs a check if one of its real servers has none."""
    for frontend in topology.frontends:
        for service in frontend.services:
            unchecked = [server.host for server in service.real_servers if not server.options.check]
            if unchecked and not service.model.check:
                message = (
                    f"no check watches {', '.join(unchecked)} "
                    f"in port {service.model.port} of `{frontend.name}`"
                )
                yield service.node.at("port"), message, "add `check: {type: tcp}` or a better check"


@rule(
    "sorry-server-is-vip",
    "error",
    "The sorry server is a VIP",
    "connections return to the director that sent them",
    "keepalived.conf(5), sorry_server",
)
def sorry_server_is_vip(topology: Topology) -> Iterator[Hit]:
    """`keepalived -t` accepts it."""
    vips = {vip.address for frontend in topology.frontends for vip in frontend.vips}
    for frontend in topology.frontends:
        for service in frontend.services:
            sorry = service.model.sorry_server
            if sorry and sorry.address in vips:
                message = f"the sorry server {sorry.address} is a VIP"
                yield service.node.at("sorry_server"), message, "use the address of a host"


@rule(
    "client-is-director",
    "error",
    "A client is a director or a real server",
    "the kernel answers a director's connections to its own VIP locally: "
    "a probe from there proves nothing",
    "keepalived issue 2213",
)
def client_is_director(topology: Topology) -> Iterator[Hit]:
    """Real servers count as well: they have the VIP on lo."""
    hosts = {*topology.directors(), *topology.real_servers()}
    for host in topology.clients:
        if host in hosts:
            message = f"{host} is in `{CLIENTS}` and part of a front end"
            yield topology.node(host), message, f"remove it from `{CLIENTS}`"


@rule(
    "advert-too-quick",
    "warning",
    "An advert interval below 0.1 s",
    "a machine that stalls for three adverts loses the VIP although it is alive",
    "keepalived issues 2066, 2238",
)
def advert_too_quick(topology: Topology) -> Iterator[Hit]:
    """Virtual machines sometimes stall that long."""
    for frontend in topology.frontends:
        interval = frontend.vrrp.advert_int
        if interval is not None and interval < MIN_ADVERT_INTERVAL:
            message = f"`{frontend.name}` sends an advert every {interval} s"
            yield (
                frontend.node.at("vrrp", "advert_int"),
                message,
                f"use {MIN_ADVERT_INTERVAL} s or more on virtual machines",
            )


@rule(
    "vrrp-strict",
    "warning",
    "Strict mode",
    "it drops packets to the VIP that Keepalived does not serve itself, "
    "and the service is unreachable",
    "keepalived issue 1373",
)
def vrrp_strict(topology: Topology) -> Iterator[Hit]:
    """`strict_mode` of a front end; if it is unset, the director-wide `vrrp_strict`."""
    for frontend in topology.frontends:
        director_strict = any(
            topology.hosts[director.host].keepalived.vrrp_strict for director in frontend.directors
        )
        if frontend.vrrp.strict_mode or (director_strict and frontend.vrrp.strict_mode is None):
            message = f"`{frontend.name}` runs in strict mode"
            yield (
                frontend.node.at("vrrp", "strict_mode"),
                message,
                "remove `vrrp_strict` and `strict_mode`",
            )
