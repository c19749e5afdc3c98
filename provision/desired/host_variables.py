"""The computed variables of one host, which the templates of its roles see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from provision.core.errors import InputError, Position, Problem
from provision.core.facts import Facts
from provision.desired import (
    firewall,
    ipvs_rules,
    ipvs_variables,
    kafka_variables,
    keepalived_variables,
    zookeeper_variables,
)
from provision.desired.tunnels import tunnel_ends
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.model.checks import KafkaCheck, MiscCheck
from provision.inventory.model.globals import Keepalived
from provision.inventory.model.text import Model, Script
from provision.inventory.model.vrrp import TrackScript

if TYPE_CHECKING:
    from provision.inventory.topology import Topology

FALLBACK_INTERFACE = "eth0"
"""The interface that rendering without facts assumes."""


@dataclass(frozen=True)
class RealServerVip:
    """A virtual address of a real server: `cidr` on `device`; an IPv4 address has a `label`."""

    cidr: str
    device: str
    label: str
    family: int

    @property
    def ipv4(self) -> bool:
        """Whether the address needs ARP settings, a label and the network scripts."""
        return self.family == 4


def host_variables(topology: Topology, host: str, facts: Facts) -> dict[str, Any]:
    """All computed variables of `host`. Raises InputError if its interface is unknown."""
    directed, served = topology.directed_by(host), topology.served_by(host)
    settings = topology.hosts[host]
    interface = _interface(topology, host, facts)
    common = {
        "inventory_hostname": host,
        "address": str(settings.address[0]) if settings.address else "",
        "addresses": tuple(map(str, settings.address)),
        "interface": interface,
        "is_director": bool(directed),
        "is_real_server": bool(served),
        "frontends": tuple(
            frontend
            for frontend in topology.frontends
            if frontend in directed or frontend in served
        ),
        "real_server_vips": _real_server_vips(host, served),
        "tunnel_ends": tunnel_ends(host, served),
        "kafka": kafka_variables.node_files(topology, host),
        "zookeeper": zookeeper_variables.member_files(topology, host),
        "kafka_check": kafka_variables.check_files(topology, host),
    }
    director = _director_variables(topology, host, facts, interface)
    openings = (
        *director.pop("director_openings"),
        *firewall.real_server_openings(host, served, settings),
        *kafka_variables.node_openings(topology, host),
    )
    return {**common, **director, "firewall_openings": tuple(dict.fromkeys(openings))}


def _interface(topology: Topology, host: str, facts: Facts) -> str:
    """The interface towards the clients: the inventory's, else the one with the host's address."""
    settings = topology.hosts[host]
    if settings.interface:
        return settings.interface
    if not facts.interfaces and not facts.default_interface:
        return FALLBACK_INTERFACE
    addresses = [str(address) for address in settings.address]
    carriers = (
        interface.name
        for interface in facts.interfaces
        if any(cidr.split("/")[0] in addresses for cidr in interface.addresses)
    )
    name = next(carriers, "") or facts.default_interface
    if not name:
        message = f"no interface of {host} has the address {', '.join(addresses) or '(none known)'}"
        reason = "VRRP and the VIPs need an interface"
        position = topology.positions.get(host, Position(host))
        raise InputError(
            [
                Problem(
                    position, "interface-unknown", message, reason, "set `interface` for the host"
                )
            ]
        )
    return name


def _director_variables(
    topology: Topology, host: str, facts: Facts, interface: str
) -> dict[str, Any]:
    """The variables for a director's keepalived.conf and IPVS table; empty on other hosts."""
    directed, settings = topology.directed_by(host), topology.hosts[host]
    keepalived = settings.keepalived
    owner = ipvs_owner(topology, host)
    instances = keepalived_variables.instances(host, directed, topology.hosts, interface)
    groups = keepalived_variables.groups(instances, keepalived)
    servers = ipvs_variables.virtual_servers(directed) if owner == "keepalived" else ()
    component = keepalived_variables.component(host, topology.frontends)
    sync = keepalived_variables.sync(instances, component, settings)
    tracked = keepalived_variables.tracked(instances, groups, settings)
    sessions = ipvs_variables.check_sessions(servers, settings)
    return {
        "keepalived": keepalived,
        "vrrp_instances": instances,
        "vips": tuple(
            str(vip.address) for item in instances for vip in (*item.vips, *item.excluded)
        ),
        "sync_groups": groups,
        "tracked": tracked,
        "check_files": ipvs_variables.check_files(servers),
        "check_sessions": sessions,
        "virtual_servers": servers,
        "virtual_server_groups": ipvs_variables.server_groups(directed) if servers else (),
        "sync_daemon": sync,
        "handover_files": tuple(
            keepalived_variables.handover(frontend.name).file for frontend in directed
        ),
        "takeover_wait": f"{keepalived_variables.takeover_wait(instances, keepalived):g}",
        **_script_variables(
            (keepalived, *instances, *groups, tracked, *servers), keepalived, facts
        ),
        **_ipvs_variables(directed, facts, owner),
        "backup_only": bool(sync and sync.instance),
        "director_openings": firewall.director_openings(
            instances, directed, sync, bool(tracked.bfd or sessions)
        ),
    }


def ipvs_owner(topology: Topology, host: str) -> str:
    """The program that fills a director's IPVS table: keepalived, or ipvsadm by the inventory."""
    managers = (frontend.model.ipvs_manager for frontend in topology.directed_by(host))
    return next(filter(None, managers), None) or topology.hosts[host].ipvs_manager or "keepalived"


def _ipvs_variables(
    directed: Sequence[ResolvedFrontend], facts: Facts, owner: str
) -> dict[str, Any]:
    services = [service for frontend in directed for service in frontend.services]
    forwards = {
        (service.forward(server), family)
        for service in services
        for server in service.real_servers
        for family in service.families
    }
    return {
        "ipvs_manager": owner,
        "keepalived_owns_ipvs": owner == "keepalived",
        "ipvsadm_owns_ipvs": owner == "ipvsadm" and bool(directed),
        "ipvs_services": ipvs_rules.ipvs_services(directed),
        "ipvs_modules": ipvs_rules.modules(directed) if directed else (),
        "needs_ip_forward": ("nat", 4) in forwards,
        "needs_ipv6_forward": ("nat", 6) in forwards,
        "persistent": any(service.model.persistent for service in services),
        "sloppy_tcp": any(service.model.scheduler == "mh" for service in services),
        "slow_port_reuse": _before(facts.kernel, (5, 9)),
    }


def _before(kernel: str, version: tuple[int, int]) -> bool:
    """Whether a kernel release (`5.4.0-150-generic`) is older; false for an unknown release."""
    numbers = kernel.split("-")[0].split(".")[:2]
    return (
        len(numbers) == 2
        and all(map(str.isdecimal, numbers))
        and tuple(map(int, numbers)) < version
    )


def _script_variables(
    parts: Sequence[object], keepalived: Keepalived, facts: Facts
) -> dict[str, Any]:
    """The user of Keepalived's scripts, script security, and whether `keepalived -t` kills itself.

    Without `script_user`, Keepalived uses the user `keepalived_script`, which no package creates,
    and otherwise root. The inventory must therefore name root for a script that needs it, and only
    root may be able to write that script (script security).
    """
    users = list(_script_users(parts))
    default_user = keepalived.script_user or ("nobody" if users else None)
    security = keepalived.enable_script_security
    other_user = any((user or default_user) != "root" for user in users)
    return {
        "script_user": default_user,
        "enable_script_security": bool(users) if security is None else security,
        # keepalived issue 2617: `-t` of 2.2.7 sends itself SIGTERM if a script runs as another user
        # than root.
        "keepalived_test_dies": other_user and facts.keepalived_version == _dying_version(facts),
    }


def _dying_version(facts: Facts) -> str:
    """The version whose `-t` dies; on Debian also empty (not installed), as Debian 12 has 2.2.7."""
    return "" if facts.os_id == "debian" and not facts.keepalived_version else "2.2.7"


def _script_users(value: object) -> Iterator[str | None]:
    """The user (None: the default) of every command that Keepalived runs, at any depth."""
    if isinstance(value, Script | TrackScript | MiscCheck):
        yield value.user
    elif isinstance(value, KafkaCheck):
        yield None
    elif isinstance(value, Model):
        for name in type(value).model_fields:
            yield from _script_users(getattr(value, name))
    elif isinstance(value, tuple):
        for member in value:
            yield from _script_users(member)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _script_users(getattr(value, field.name))


def _real_server_vips(host: str, served: Sequence[ResolvedFrontend]) -> tuple[RealServerVip, ...]:
    """The virtual addresses to set on a real server for direct routing and tunnels.

    Direct routing does not change the destination, so the real server must have the address
    (LVS-HOWTO, LVS-DR). With NAT the director rewrites the destination.
    """
    vips: dict[str, RealServerVip] = {}
    for service in (service for frontend in served for service in frontend.services):
        for server in service.real_servers:
            if server.host != host or service.forward(server) == "nat":
                continue
            for address in service.addresses:
                cidr = f"{address}/{address.max_prefixlen}"
                count = sum(vip.family == 4 for vip in vips.values())
                label = f"lo:{count}" if address.version == 4 else ""
                vips.setdefault(cidr, RealServerVip(cidr, "lo", label, address.version))
    return tuple(vips.values())
