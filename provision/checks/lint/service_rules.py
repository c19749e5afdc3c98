"""Rules about services and their real servers."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.registry import Hit, rule
from provision.checks.lint.services import checks_of, services
from provision.desired.host_variables import ipvs_owner
from provision.inventory.frontends import ResolvedService
from provision.inventory.model.checks import Connecting
from provision.inventory.topology import Topology

Key = tuple[str, str, int | None]


def _keys(service: ResolvedService) -> list[Key]:
    """Return the service's unique keys in the kernel.

    A key is protocol, address and port, or a mark and an address family.
    """
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
    "A service is defined twice",
    "the kernel has one entry for both, and mixes their real servers",
    "ipvsadm(8): a service is unique by protocol, address and port; `keepalived -t` passes it",
)
def service_twice(topology: Topology) -> Iterator[Hit]:
    """Compares the services of all front ends that share a director."""
    reported: set[int] = set()
    for host in topology.directors():
        frontends_by_key: dict[Key, str] = {}
        for frontend in topology.directed_by(host):
            for service in frontend.services:
                twice = next((key for key in _keys(service) if key in frontends_by_key), None)
                if twice and id(service) not in reported:
                    reported.add(id(service))
                    selector = " ".join(str(part) for part in twice if part)
                    yield (
                        service.node,
                        f"`{frontends_by_key[twice]}` already has the service {selector}",
                        "merge the two services",
                    )
                frontends_by_key.update(dict.fromkeys(_keys(service), frontend.name))


@rule(
    "real-server-is-vip",
    "error",
    "A real server's address is a VIP",
    "the director balances to itself, in a loop",
    "`keepalived -t` passes it",
)
def real_server_is_vip(topology: Topology) -> Iterator[Hit]:
    """The address may belong to the host, or be set for this service alone."""
    vips = {vip.address for frontend in topology.frontends for vip in frontend.vips}
    for _, service in services(topology):
        for server in service.real_servers:
            if server.options.address in vips:
                place = service.node.at("real_server_options", server.host, "address")
                yield (
                    place,
                    f"{server.options.address} is a VIP",
                    f"use an address that only {server.host} has",
                )


@rule(
    "quorum-unreachable",
    "error",
    "All real servers together are below the quorum",
    "the service never comes up, or only the sorry server ever answers",
    "keepalived.conf(5), quorum",
)
def quorum_unreachable(topology: Topology) -> Iterator[Hit]:
    """With hysteresis, the quorum is reached only at quorum plus hysteresis."""
    for frontend, service in services(topology):
        needed = (service.model.quorum or 1) + (service.model.hysteresis or 0)
        weight = sum(service.weight(server) for server in service.real_servers)
        if service.model.quorum and weight < needed:
            message = (
                f"the weights of all real servers of `{frontend.name}` add up to {weight}, "
                f"and the quorum needs {needed}"
            )
            yield service.node.at("quorum"), message, "lower `quorum`, or raise the weights"


@rule(
    "nobody-serves",
    "warning",
    "All real servers have weight 0",
    "no real server gets a new connection",
    "ipvsadm(8), --weight",
)
def nobody_serves(topology: Topology) -> Iterator[Hit]:
    """Weight 0 drains a single real server."""
    for frontend, service in services(topology):
        if all(service.weight(server) == 0 for server in service.real_servers):
            yield (
                service.node,
                f"no real server of `{frontend.name}` takes connections",
                "give at least one real server a weight",
            )


@rule(
    "weight-without-effect",
    "warning",
    "Weights that the scheduler ignores",
    "rr and lc treat all real servers alike; only weight 0 has an effect",
    "ipvsadm(8), --scheduler",
)
def weight_without_effect(topology: Topology) -> Iterator[Hit]:
    """`rr`, `lc` and `nq` ignore weights; `wrr`, `wlc` and `sed` use them."""
    weighted = {"rr": "wrr", "lc": "wlc"}
    for _, service in services(topology):
        weights = {service.weight(server) for server in service.real_servers} - {0}
        scheduler = service.model.scheduler
        if scheduler in weighted and len(weights) > 1:
            message = f"scheduler `{scheduler}` ignores the weights {sorted(weights)}"
            yield service.node.at("scheduler"), message, f"use `{weighted[scheduler]}`"


@rule(
    "sorry-port-mapping",
    "error",
    "Direct routing with another port on the sorry server",
    "DR changes no packet: Keepalived resets the port, and nothing listens there",
    "keepalived.conf(5), sorry_server; ipvsadm(8), --gatewaying",
)
def sorry_port_mapping(topology: Topology) -> Iterator[Hit]:
    """The same applies to tunnels."""
    for _, service in services(topology):
        sorry, port = service.model.sorry_server, service.model.port
        if (
            sorry
            and sorry.port
            and sorry.port != port
            and (sorry.forward or service.model.forward) != "nat"
        ):
            message = f"the sorry server has port {sorry.port}, but the service has port {port}"
            yield (
                service.node.at("sorry_server", "port"),
                message,
                "remove `port`, or set `forward: nat` for it",
            )


@rule(
    "check-of-another-port",
    "warning",
    "Checks test another port than the service's",
    "the service can be dead while the check passes: it still gets its share of the connections",
    "`keepalived -t` passes it",
)
def check_of_another_port(topology: Topology) -> Iterator[Hit]:
    """Silent if another check tests the service's port, or if the service has no port."""
    for frontend, service in services(topology):
        for server in service.real_servers:
            port = service.port(server)
            checks = checks_of(service, server)
            checked_ports = {
                check.port or port for check in checks if isinstance(check, Connecting)
            }
            if port and checked_ports and port not in checked_ports:
                message = (
                    f"no check tests port {port} of {server.host} in `{frontend.name}`, "
                    f"only {', '.join(map(str, checked_ports))}"
                )
                yield (
                    service.node.at("check"),
                    message,
                    "check the service's port too, or instead",
                )
                break


@rule(
    "check-without-effect",
    "warning",
    "Checks that never run",
    "ipvsadm fills the table from a file and never removes a dead real server",
    "ipvsadm(8), --restore",
)
def check_without_effect(topology: Topology) -> Iterator[Hit]:
    """Applies if the front end's master has `ipvs_manager: ipvsadm`."""
    for frontend, service in services(topology):
        if ipvs_owner(topology, frontend.master) == "ipvsadm" and service.model.check:
            message = f"ipvsadm fills the table of `{frontend.name}`, and it checks nothing"
            yield (
                service.node.at("check"),
                message,
                "let keepalived manage the table, or remove the check",
            )


@rule(
    "tunnel-shrinks-packets",
    "warning",
    "A tunnel on a path that may not take larger packets",
    "the director adds 20 bytes or more: full-sized packets are dropped, "
    "and only large transfers hang",
    "kube-router issue 630; LVS-HOWTO, LVS-Tun and MTU",
)
def tunnel_shrinks_packets(topology: Topology) -> Iterator[Hit]:
    """The inventory does not know the network's MTU. The rule reminds once for every service."""
    for frontend, service in services(topology):
        if any(service.forward(server) == "tun" for server in service.real_servers):
            message = f"`{frontend.name}` forwards through a tunnel"
            fix = "raise the MTU between directors and real servers, or clamp the MSS to 1440"
            yield service.node.at("forward"), message, fix


@rule(
    "tunnel-across-families-synchronised",
    "error",
    "A tunnel to the other address family on directors that synchronise connections",
    "while a sync daemon runs, the kernel accepts no real server of another family, "
    "and the service stays empty",
    "kernel, net/netfilter/ipvs/ip_vs_ctl.c",
)
def tunnel_across_families_synchronised(topology: Topology) -> Iterator[Hit]:
    """Messages of the sync protocol have one family for client, VIP and real server."""
    for frontend, service in services(topology):
        if all(
            topology.hosts[director.host].keepalived.lvs_sync_daemon is None
            for director in frontend.directors
        ):
            continue
        for server in service.real_servers:
            missing = [family for family in service.families if server.address(family) is None]
            if missing and service.forward(server) == "tun":
                message = (
                    f"{server.host} has no IPv{missing[0]} address, "
                    f"and the directors of `{frontend.name}` synchronise connections"
                )
                fix = (
                    "set `keepalived: {lvs_sync_daemon: false}` on the directors, "
                    f"or give {server.host} an IPv{missing[0]} address"
                )
                yield service.node.at("real_servers"), message, fix
