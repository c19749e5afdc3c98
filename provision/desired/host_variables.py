"""The computed variables of one host: what the templates of its roles see beside their own variables."""

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
"""The interface assumed when rendering without having asked a host anything."""


@dataclass(frozen=True)
class RealServerVip:
    """A virtual address that a real server answers on: `cidr` on `device`, IPv4 ones with a `label`."""

    cidr: str
    device: str
    label: str
    family: int

    @property
    def ipv4(self) -> bool:
        """Whether ARP, an interface label and the network scripts are its business."""
        return self.family == 4


def host_variables(topology: Topology, host: str, facts: Facts) -> dict[str, Any]:
    """Every computed variable of `host`. Raises InputError where its interface is not known."""
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
            each for each in topology.frontends if each in directed or each in served
        ),
        "real_server_vips": _real_server_vips(host, served),
        "tunnel_ends": tunnel_ends(host, served),
        "kafka": kafka_variables.node_files(topology, host),
        "zookeeper": zookeeper_variables.member_files(topology, host),
        "kafka_check": kafka_variables.check_files(topology, host),
    }
    director = _director_variables(topology, host, facts, interface)
    opened = (
        *director.pop("director_openings"),
        *firewall.real_server_openings(host, served, settings),
        *kafka_variables.node_openings(topology, host),
    )
    return {**common, **director, "firewall_openings": tuple(dict.fromkeys(opened))}


def _interface(topology: Topology, host: str, facts: Facts) -> str:
    """The interface that faces the clients: the inventory's, else the one that carries the host's address."""
    settings = topology.hosts[host]
    if settings.interface:
        return settings.interface
    if not facts.interfaces and not facts.default_interface:
        return FALLBACK_INTERFACE
    addresses = [str(address) for address in settings.address]
    carriers = (
        interface.name
        for interface in facts.interfaces
        if any(own.split("/")[0] in addresses for own in interface.addresses)
    )
    found = next(carriers, "") or facts.default_interface
    if not found:
        what = f"no interface of {host} has the address {', '.join(addresses) or '(none known)'}"
        why = "VRRP and the VIPs need one"
        place = topology.positions.get(host, Position(host))
        raise InputError(
            [Problem(place, "interface-unknown", what, why, "set `interface` for the host")]
        )
    return found


def _director_variables(
    topology: Topology, host: str, facts: Facts, interface: str
) -> dict[str, Any]:
    """What keepalived.conf and the IPVS table of a director are made of; all of it empty on other hosts."""
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
            str(vip.address) for each in instances for vip in (*each.vips, *each.excluded)
        ),
        "sync_groups": groups,
        "tracked": tracked,
        "check_files": ipvs_variables.check_files(servers),
        "check_sessions": sessions,
        "virtual_servers": servers,
        "virtual_server_groups": ipvs_variables.server_groups(directed) if servers else (),
        "sync_daemon": sync,
        "handover_files": tuple(keepalived_variables.handover(each.name).file for each in directed),
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
    """Who fills the IPVS table of a director: keepalived, or ipvsadm where the inventory says so."""
    own = topology.hosts[host].ipvs_manager
    asked = (frontend.model.ipvs_manager for frontend in topology.directed_by(host))
    return next(filter(None, asked), None) or own or "keepalived"


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
    """Whether a kernel release such as `5.4.0-150-generic` is older; an unknown one is not."""
    numbers = kernel.split("-")[0].split(".")[:2]
    return (
        len(numbers) == 2
        and all(map(str.isdecimal, numbers))
        and tuple(map(int, numbers)) < version
    )


def _script_variables(
    parts: Sequence[object], keepalived: Keepalived, facts: Facts
) -> dict[str, Any]:
    """Who runs Keepalived's scripts, and whether its `-t` lives through that.

    Without `script_user` Keepalived looks for a user `keepalived_script` that no package makes, and takes root. What
    is to run as root says so, and must then be something that nobody else can write to (script security).
    """
    commands = list(_commands(parts))
    user = keepalived.script_user or ("nobody" if commands else None)
    security = keepalived.enable_script_security
    other_user = any((own or user) != "root" for own in commands)
    return {
        "script_user": user,
        "enable_script_security": bool(commands) if security is None else security,
        # keepalived issue 2617: 2.2.7's -t ends by its own SIGTERM when it looks at a script of another user than root.
        "keepalived_test_dies": other_user and facts.keepalived_version == _dying(facts),
    }


def _dying(facts: Facts) -> str:
    """The version that may be the one that kills itself: Debian 12 has it, where it is not installed yet as well."""
    return "" if facts.os_id == "debian" and not facts.keepalived_version else "2.2.7"


def _commands(value: object) -> Iterator[str | None]:
    """The user (None: the common one) of every command that Keepalived runs, at any depth of a value."""
    if isinstance(value, Script | TrackScript | MiscCheck):
        yield value.user
    elif isinstance(value, KafkaCheck):
        yield None
    elif isinstance(value, Model):
        for name in type(value).model_fields:
            yield from _commands(getattr(value, name))
    elif isinstance(value, tuple):
        for each in value:
            yield from _commands(each)
    elif is_dataclass(value):
        for each in fields(value):
            yield from _commands(getattr(value, each.name))


def _real_server_vips(host: str, served: Sequence[ResolvedFrontend]) -> tuple[RealServerVip, ...]:
    """The virtual addresses to put on a real server: all it is reached by directly or through a tunnel.

    Direct routing leaves the destination as it is, so the real server must own it (LVS-HOWTO, LVS-DR); with NAT the
    director rewrites it.
    """
    found: dict[str, RealServerVip] = {}
    for service in (service for frontend in served for service in frontend.services):
        for server in service.real_servers:
            if server.host != host or service.forward(server) == "nat":
                continue
            for address in service.addresses:
                cidr = f"{address}/{address.max_prefixlen}"
                count = sum(known.family == 4 for known in found.values())
                label = f"lo:{count}" if address.version == 4 else ""
                found.setdefault(cidr, RealServerVip(cidr, "lo", label, address.version))
    return tuple(found.values())
