"""Rules over the whole topology: what every single host's parser accepts and what still takes a site down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from provision.checks.lint.registry import Hit, rule
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.model.text import IpAddress
from provision.inventory.topology import CLIENTS, Topology

QUICKEST_ADVERT = 0.1
"""Seconds; below, a virtual machine that its host stalls for three adverts causes a false failover."""


def _owners(topology: Topology) -> dict[IpAddress, str]:
    return {
        address: host for host, settings in topology.hosts.items() for address in settings.address
    }


@rule(
    "real-server-is-director",
    "error",
    "A director of a front end is one of its real servers",
    "the backup balances again what the master sent it, and packets run in a circle",
    "keepalived issues 2389, 2450; kernel ipvs-sysctl, backup_only",
)
def real_server_is_director(topology: Topology) -> Iterator[Hit]:
    """DR and TUN deliver to an address that the director itself holds; NAT does not."""
    for frontend in topology.frontends:
        directors = {director.host for director in frontend.directors}
        for service in frontend.services:
            for server in service.real_servers:
                if server.host in directors and service.forward(server) != "nat":
                    what = f"{server.host} is both director and real server of `{frontend.name}`"
                    yield service.node.at("real_servers"), what, "take it out of one of the two"


@rule(
    "vip-is-a-host-address",
    "error",
    "A VIP is some host's own address",
    "that host answers ARP for it whoever is master",
    "RFC 5798 §6.1 allows it for the address owner only, which has priority 255",
)
def vip_is_a_host_address(topology: Topology) -> Iterator[Hit]:
    """Compares each VIP with the addresses of all hosts of the inventory."""
    owners = _owners(topology)
    for frontend in topology.frontends:
        for index, vip in enumerate(frontend.vips):
            if vip.address in owners:
                what = f"the VIP {vip.address} is the address of {owners[vip.address]}"
                yield frontend.node.at("vips", index), what, "choose an address that no host has"


@rule(
    "vip-twice",
    "error",
    "Two front ends have the same VIP",
    "two VRRP instances fight for one address, and clients reach either",
    "keepalived issue 1515",
)
def vip_twice(topology: Topology) -> Iterator[Hit]:
    """Over all front ends, whatever directors they have."""
    for one, other in combinations(topology.frontends, 2):
        shared = {vip.address for vip in one.vips} & {vip.address for vip in other.vips}
        for address in sorted(shared, key=str):
            what = f"`{one.name}` and `{other.name}` both have the VIP {address}"
            yield (
                other.node.at("vips"),
                what,
                "give each its own, or make it one front end with more services",
            )


@rule(
    "vrid-clash",
    "error",
    "Two front ends of one network have the same VRID",
    "each takes the other's adverts for its own: one of them never gets its addresses, or both do",
    "RFC 5798 §5.2.3; keepalived issue 2444",
)
def vrid_clash(topology: Topology) -> Iterator[Hit]:
    """A VRID is counted per network and address family. Directors of one inventory are taken to be on one network."""
    for one, other in combinations(topology.frontends, 2):
        if one.vrrp.virtual_router_id == other.vrrp.virtual_router_id and _families(
            one
        ) & _families(other):
            what = f"`{one.name}` and `{other.name}` both use virtual_router_id {one.vrrp.virtual_router_id}"
            yield (
                other.node.at("vrrp", "virtual_router_id"),
                what,
                "give each front end a number of its own",
            )


def _families(frontend: ResolvedFrontend) -> set[int]:
    return {vip.family for vip in frontend.vips}


@rule(
    "equal-priorities",
    "error",
    "Two directors of a front end have the same priority",
    "the takeover is decided by their addresses, and both take over at once first",
    "RFC 5798 §6.4.3; keepalived issue 2323",
)
def equal_priorities(topology: Topology) -> Iterator[Hit]:
    """Directors come by falling priority, so equal ones are neighbours."""
    for frontend in topology.frontends:
        for one, other in zip(frontend.directors, frontend.directors[1:], strict=False):
            if one.priority == other.priority:
                what = f"{one.host} and {other.host} both have priority {one.priority} in `{frontend.name}`"
                yield (
                    frontend.node.at("directors"),
                    what,
                    "set `vrrp_priority` on one of them, or leave both out",
                )


@rule(
    "single-director",
    "warning",
    "A front end has one director only",
    "nobody takes over when it dies",
    "RFC 5798 §1.2",
)
def single_director(topology: Topology) -> Iterator[Hit]:
    """One director is a load balancer, not a high-availability front end."""
    for frontend in topology.frontends:
        if len(frontend.directors) == 1:
            what = f"`{frontend.name}` has no director besides {frontend.master}"
            yield frontend.node.at("directors"), what, "add a second director"


@rule(
    "dr-port-mapping",
    "error",
    "Direct routing with another port on the real server",
    "DR changes no packet, so it arrives at the service's port, where nobody listens, and is reset",
    "ipvsadm(8), --gatewaying",
)
def dr_port_mapping(topology: Topology) -> Iterator[Hit]:
    """The same holds for tunnels."""
    for frontend in topology.frontends:
        for service in frontend.services:
            for server in service.real_servers:
                port = service.port(server)
                if service.forward(server) in {"dr", "tun"} and port != service.model.port:
                    what = f"port {service.model.port} of `{frontend.name}` goes to port {port} of {server.host} by DR"
                    yield service.node.at("port"), what, "use the same port, or `forward: nat`"


@rule(
    "no-check",
    "warning",
    "Real servers that nobody checks",
    "a dead one keeps its share of the connections",
    "keepalived.conf(5), real_server",
)
def no_check(topology: Topology) -> Iterator[Hit]:
    """A service whose real servers have no check of their own needs one itself."""
    for frontend in topology.frontends:
        for service in frontend.services:
            unchecked = [server.host for server in service.real_servers if not server.options.check]
            if unchecked and not service.model.check:
                what = f"no check watches {', '.join(unchecked)} in port {service.model.port} of `{frontend.name}`"
                yield service.node.at("port"), what, "add `check: {type: tcp}` or better"


@rule(
    "sorry-server-is-vip",
    "error",
    "The sorry server is a VIP",
    "connections come back to the director that sent them",
    "keepalived.conf(5), sorry_server",
)
def sorry_server_is_vip(topology: Topology) -> Iterator[Hit]:
    """`keepalived -t` accepts it."""
    vips = {vip.address for frontend in topology.frontends for vip in frontend.vips}
    for frontend in topology.frontends:
        for service in frontend.services:
            sorry = service.model.sorry_server
            if sorry and sorry.address in vips:
                what = f"the sorry server {sorry.address} is a VIP"
                yield service.node.at("sorry_server"), what, "name a host's own address"


@rule(
    "client-is-director",
    "error",
    "A client that is a director",
    "the kernel answers a director's own connections to its VIP locally: a probe there proves nothing",
    "keepalived issue 2213",
)
def client_is_director(topology: Topology) -> Iterator[Hit]:
    """The same for a real server, which has the VIP on lo."""
    busy = {*topology.directors(), *topology.real_servers()}
    for host in topology.clients:
        if host in busy:
            what = f"{host} is in `{CLIENTS}` and part of a front end"
            yield topology.node(host), what, f"take it out of `{CLIENTS}`"


@rule(
    "advert-too-quick",
    "warning",
    "Adverts quicker than 0.1 s",
    "a machine that is stalled for three adverts loses the VIP although it lives",
    "keepalived issues 2066, 2238",
)
def advert_too_quick(topology: Topology) -> Iterator[Hit]:
    """Virtual machines are stalled that long by their hosts now and then."""
    for frontend in topology.frontends:
        interval = frontend.vrrp.advert_int
        if interval is not None and interval < QUICKEST_ADVERT:
            what = f"`{frontend.name}` sends an advert every {interval} s"
            yield (
                frontend.node.at("vrrp", "advert_int"),
                what,
                f"use {QUICKEST_ADVERT} s or more on virtual machines",
            )


@rule(
    "vrrp-strict",
    "warning",
    "Strict mode",
    "it drops packets to the VIP that Keepalived itself does not serve, and the service is unreachable",
    "keepalived issue 1373",
)
def vrrp_strict(topology: Topology) -> Iterator[Hit]:
    """`strict_mode` of a front end; the director-wide `vrrp_strict` where the front end leaves it open."""
    for frontend in topology.frontends:
        wide = any(
            topology.hosts[director.host].keepalived.vrrp_strict for director in frontend.directors
        )
        if frontend.vrrp.strict_mode or (wide and frontend.vrrp.strict_mode is None):
            what = f"`{frontend.name}` runs in strict mode"
            yield (
                frontend.node.at("vrrp", "strict_mode"),
                what,
                "leave `vrrp_strict` and `strict_mode` out",
            )
