"""Rules about services and their real servers."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.registry import Hit, rule
from provision.desired.host_variables import ipvs_owner
from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import Connecting
from provision.inventory.topology import Topology

Key = tuple[str, str, int | None]


def _services(topology: Topology) -> Iterator[tuple[ResolvedFrontend, ResolvedService]]:
    for frontend in topology.frontends:
        for service in frontend.services:
            yield frontend, service


def _keys(service: ResolvedService) -> list[Key]:
    """What makes the service unique in the kernel: protocol, address and port, or a mark and a family."""
    model = service.model
    if model.marks:
        return [
            (f"mark {mark}", f"IPv{family}", None)
            for mark in model.marks
            for family in service.families
        ]
    return [(model.protocol, str(address), model.port) for address in service.addresses]


@rule(
    "service-twice",
    "error",
    "One service is there twice",
    "the kernel has one entry for it, and the real servers of both get mixed up in it",
    "ipvsadm(8): a service is unique by protocol, address and port; `keepalived -t` passes it",
)
def service_twice(topology: Topology) -> Iterator[Hit]:
    """Among the front ends of any one director."""
    told: set[int] = set()
    for host in topology.directors():
        seen: dict[Key, str] = {}
        for frontend in topology.directed_by(host):
            for service in frontend.services:
                twice = next((key for key in _keys(service) if key in seen), None)
                if twice and id(service) not in told:
                    told.add(id(service))
                    shown = " ".join(str(part) for part in twice if part)
                    yield (
                        service.node,
                        f"{shown} is a service of `{seen[twice]}` already",
                        "make one service of them",
                    )
                seen.update(dict.fromkeys(_keys(service), frontend.name))


@rule(
    "real-server-is-vip",
    "error",
    "A real server's address is a VIP",
    "the director balances to itself, in a circle",
    "`keepalived -t` passes it",
)
def real_server_is_vip(topology: Topology) -> Iterator[Hit]:
    """The address may be the host's, or one given for this service alone."""
    vips = {vip.address for frontend in topology.frontends for vip in frontend.vips}
    for _, service in _services(topology):
        for server in service.real_servers:
            if server.options.address in vips:
                place = service.node.at("real_server_options", server.host, "address")
                yield (
                    place,
                    f"{server.options.address} is a VIP",
                    f"use an address of {server.host} alone",
                )


@rule(
    "quorum-unreachable",
    "error",
    "All real servers together are below the quorum",
    "the service never comes up, or the sorry server answers for ever",
    "keepalived.conf(5), quorum",
)
def quorum_unreachable(topology: Topology) -> Iterator[Hit]:
    """With hysteresis, quorum is gained only so much above it."""
    for frontend, service in _services(topology):
        needed = (service.model.quorum or 1) + (service.model.hysteresis or 0)
        weight = sum(service.weight(server) for server in service.real_servers)
        if service.model.quorum and weight < needed:
            what = f"all real servers of `{frontend.name}` weigh {weight}, and quorum is gained at {needed}"
            yield service.node.at("quorum"), what, "lower `quorum`, or raise the weights"


@rule(
    "nobody-serves",
    "warning",
    "All real servers have weight 0",
    "nobody gets a new connection",
    "ipvsadm(8), --weight",
)
def nobody_serves(topology: Topology) -> Iterator[Hit]:
    """Weight 0 is for draining one."""
    for frontend, service in _services(topology):
        if all(service.weight(server) == 0 for server in service.real_servers):
            yield (
                service.node,
                f"no real server of `{frontend.name}` takes connections",
                "give one of them a weight",
            )


@rule(
    "weight-without-effect",
    "warning",
    "Weights that the scheduler does not look at",
    "rr and lc give every real server the same, and only weight 0 is heeded",
    "ipvsadm(8), --scheduler",
)
def weight_without_effect(topology: Topology) -> Iterator[Hit]:
    """`rr`, `lc` and `nq` come without weights; their weighted siblings are `wrr`, `wlc` and `sed`."""
    weighted = {"rr": "wrr", "lc": "wlc"}
    for _, service in _services(topology):
        weights = {service.weight(server) for server in service.real_servers} - {0}
        if service.model.scheduler in weighted and len(weights) > 1:
            what = f"scheduler `{service.model.scheduler}` takes no notice of the weights {sorted(weights)}"
            yield service.node.at("scheduler"), what, f"use `{weighted[service.model.scheduler]}`"


@rule(
    "sorry-port-mapping",
    "error",
    "Direct routing with another port on the sorry server",
    "DR changes no packet: Keepalived resets the port, and nobody listens there",
    "keepalived.conf(5), sorry_server; ipvsadm(8), --gatewaying",
)
def sorry_port_mapping(topology: Topology) -> Iterator[Hit]:
    """The same holds for tunnels."""
    for _, service in _services(topology):
        sorry, port = service.model.sorry_server, service.model.port
        if (
            sorry
            and sorry.port
            and sorry.port != port
            and (sorry.forward or service.model.forward) != "nat"
        ):
            what = f"the sorry server's port {sorry.port} is not the service's, {port}"
            yield (
                service.node.at("sorry_server", "port"),
                what,
                "leave `port` out, or set `forward: nat` for it",
            )


@rule(
    "check-of-another-port",
    "warning",
    "A check looks at another port than the one that serves",
    "the service can be dead while the check passes, and takes its share of the connections all the same",
    "`keepalived -t` passes it",
)
def check_of_another_port(topology: Topology) -> Iterator[Hit]:
    """No complaint where another check looks at the service's own port, or where the service has none."""
    for frontend, service in _services(topology):
        for server in service.real_servers:
            own = service.port(server)
            checks = (
                server.options.check if server.options.check is not None else service.model.check
            )
            ports = {check.port or own for check in checks if isinstance(check, Connecting)}
            if own and ports and own not in ports:
                looked = ", ".join(str(port) for port in ports)
                what = f"no check looks at port {own} of {server.host} in `{frontend.name}`, only at {looked}"
                yield (
                    service.node.at("check"),
                    what,
                    "check the port that serves, besides or instead",
                )
                break


@rule(
    "check-without-effect",
    "warning",
    "Checks that nobody runs",
    "ipvsadm fills the table from a file and never takes a dead real server out of it",
    "ipvsadm(8), --restore",
)
def check_without_effect(topology: Topology) -> Iterator[Hit]:
    """With `ipvs_manager: ipvsadm`, on the master of the front end."""
    for frontend, service in _services(topology):
        if ipvs_owner(topology, frontend.master) == "ipvsadm" and service.model.check:
            what = f"`{frontend.name}` is filled in by ipvsadm, which checks nothing"
            yield (
                service.node.at("check"),
                what,
                "leave the table to keepalived, or take the check out",
            )


@rule(
    "tunnel-shrinks-packets",
    "warning",
    "A tunnel on a path that may not take larger packets",
    "the director adds 20 bytes and more: full-sized packets are dropped, and only large transfers hang",
    "kube-router issue 630; LVS-HOWTO, LVS-Tun and MTU",
)
def tunnel_shrinks_packets(topology: Topology) -> Iterator[Hit]:
    """The MTU is the network's to know; this is a reminder to look, once a service."""
    for frontend, service in _services(topology):
        if any(service.forward(server) == "tun" for server in service.real_servers):
            what = f"`{frontend.name}` is forwarded through a tunnel"
            fix = "raise the MTU between directors and real servers, or clamp the MSS to 1440"
            yield service.node.at("forward"), what, fix


@rule(
    "tunnel-across-families-synchronised",
    "error",
    "A tunnel to the other address family on directors that synchronise connections",
    "the kernel takes no real server of another family while a sync daemon runs, and the service stays empty",
    "kernel, net/netfilter/ipvs/ip_vs_ctl.c",
)
def tunnel_across_families_synchronised(topology: Topology) -> Iterator[Hit]:
    """The messages of the sync protocol have one family for the client, the VIP and the real server."""
    for frontend, service in _services(topology):
        if all(
            topology.hosts[each.host].keepalived.lvs_sync_daemon is None
            for each in frontend.directors
        ):
            continue
        for server in service.real_servers:
            missing = [family for family in service.families if server.address(family) is None]
            if missing and service.forward(server) == "tun":
                what = f"{server.host} has no IPv{missing[0]} address, and the directors of `{frontend.name}` synchronise"
                fix = "set `keepalived: {lvs_sync_daemon: false}` on the directors, or give it such an address"
                yield service.node.at("real_servers"), what, fix
