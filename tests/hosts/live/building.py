"""Healthy hosts as a look finds them, made from the topology. Tests then break one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provision.core.facts import Facts, Interface
from provision.desired.host_variables import host_variables
from provision.formats.ip_addr import LiveAddress
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import Listener, LiveHost, LiveSyncDaemon, LiveUnit, VrrpInstance
from provision.inventory.topology import Topology

QUIET = ("arp_ignore", "arp_announce", "send_redirects", "rp_filter")


def mac(number: int) -> str:
    """The hardware address of the host with this number in the inventory."""
    return f"02:68:61:00:00:{number:02x}"


def healthy(topology: Topology) -> dict[str, LiveHost]:
    """Every host as it should be; the first director of each front end is master."""
    return {
        host: _host(topology, host, number) for number, host in enumerate(topology.hosts, start=1)
    }


def seen(topology: Topology, **changes: Mapping[str, Any]) -> Snapshot:
    """A snapshot of healthy hosts with changed fields: `seen(topology, lvs1={"clock": 3.0})`."""
    lives = healthy(topology)
    return Snapshot(
        topology, {host: replace(live, **changes.get(host, {})) for host, live in lives.items()}
    )


def _host(topology: Topology, host: str, number: int) -> LiveHost:
    host_addresses = topology.hosts[host].address
    facts = Facts(
        interfaces=(Interface("eth0", tuple(f"{address}/24" for address in host_addresses)),)
    )
    variables = host_variables(topology, host, facts)
    director, server = host in topology.directors(), host in topology.real_servers()
    addresses = [
        LiveAddress("eth0", str(address), 24, "eth0", "global") for address in host_addresses
    ]
    for vip in variables["real_server_vips"]:
        address, _, prefix = vip.cidr.partition("/")
        addresses.append(LiveAddress("lo", address, int(prefix), vip.label or "lo", "global"))
    for frontend in topology.directed_by(host):
        if frontend.master == host:
            addresses += [
                LiveAddress("eth0", str(vip.address), 32, "eth0", "global") for vip in frontend.vips
            ]
    conf = dict.fromkeys(QUIET, "0") | ({"arp_ignore": "1", "arp_announce": "2"} if server else {})
    units = {
        "keepalived.service": LiveUnit(
            "keepalived.service", "active" if director else "inactive", "enabled", 1
        )
    }
    daemon = variables["sync_daemon"]
    return LiveHost(
        host=host,
        clock=0.0,
        round_trip=0.01,
        boot_id="7317f36c",
        seconds=0.1,
        macs={"eth0": mac(number), "lo": "00:00:00:00:00:00"},
        carriers={"eth0": True, "lo": True},
        addresses=tuple(addresses),
        sysctls={
            f"net.ipv4.conf.{scope}.{name}": value
            for scope in ("all", "eth0")
            for name, value in conf.items()
        }
        | {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"},
        listeners=_listeners(topology, host),
        units=units,
        vrrp=tuple(_instance(topology, host, instance) for instance in variables["vrrp_instances"]),
        ipvs_saved=tuple(line for service in variables["ipvs_services"] for line in service.saved),
        sync=tuple(
            LiveSyncDaemon(role, daemon.interface, daemon.sync_id)
            for role in ("master", "backup")
            if daemon
        ),
    )


def _listeners(topology: Topology, host: str) -> tuple[Listener, ...]:
    ports = {
        (service.model.protocol, service.port(server))
        for frontend in topology.served_by(host)
        for service in frontend.services
        for server in service.real_servers
        if server.host == host
    }
    return tuple(
        Listener(protocol, "*", port or 0, "nginx.service") for protocol, port in sorted(ports)
    )


def _instance(topology: Topology, host: str, expected: Any) -> VrrpInstance:
    frontend = next(
        frontend for frontend in topology.frontends if frontend.name == expected.frontend
    )
    master = frontend.master == host
    return VrrpInstance(
        name=expected.name,
        interface=expected.interface,
        vrid=expected.vrrp.virtual_router_id,
        state="MASTER" if master else "BACKUP",
        priority=expected.priority,
        vips=tuple(str(vip.address) for vip in (*expected.vips, *expected.excluded)),
        advert_int=expected.vrrp.interval,
        adverts_received=5,
        adverts_sent=100 if master else 0,
    )
