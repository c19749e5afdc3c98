"""The variables of keepalived.conf's IPVS part: virtual servers, their real servers and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import BfdCheck, Check, FileCheck
from provision.inventory.model.service import RealServerOptions, Service, Tunnel
from provision.inventory.model.text import IpAddress
from provision.inventory.model.vrrp import TrackFile
from provision.inventory.settings import HostSettings

DRAIN = "/var/lib/hactl/drain"
"""The folder of the drain files, one for each real server, on all its directors."""


def drain_file(host: str) -> TrackFile:
    """The drain file of a real server: its number is added to the weight in all its services.

    The number is 0, or far below any weight. Keepalived reads the file at every start, reload and
    change, so a drain needs no new configuration.
    """
    name = f"hactl_drain_{host}"  # longer than the inventory's identifiers may be
    return TrackFile.model_construct(name=name, file=f"{DRAIN}/{host}", weight=1, init=0)


@dataclass(frozen=True)
class RealServerVariables:
    """A real server of a virtual server; `method` is None if that of the virtual server applies."""

    host: str
    address: IpAddress
    port: int | None
    weight: int
    method: str | None
    options: RealServerOptions
    checks: tuple[Check, ...]

    @property
    def session(self) -> str:
        """The name of its BFD session, for a check that uses BFD."""
        return f"hactl_{self.host}" + ("_6" if self.address.version == 6 else "")

    @property
    def drain(self) -> TrackFile:
        """The file that drains it."""
        return drain_file(self.host)


@dataclass(frozen=True)
class Sorry:
    """The sorry server."""

    address: IpAddress
    port: int | None
    method: str | None
    inhibit: bool


@dataclass(frozen=True)
class VirtualServer:
    """A `virtual_server`; `selector` is its address and port, its mark or its group.

    `protocol` is None for marks, which match all protocols.
    """

    selector: str
    frontend: str
    family: int
    service: Service
    method: str
    protocol: str | None
    servers: tuple[RealServerVariables, ...]
    sorry: Sorry | None
    ip_family: str | None


@dataclass(frozen=True)
class ServerGroup:
    """A `virtual_server_group` and its lines."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class BfdSession:
    """A BFD session that a check uses."""

    name: str
    neighbor_ip: IpAddress
    source_ip: IpAddress | None
    timing: BfdCheck


def virtual_servers(frontends: Sequence[ResolvedFrontend]) -> tuple[VirtualServer, ...]:
    """The virtual servers of a director's front ends: one for every address, mark or group."""
    return tuple(
        _virtual_server(frontend, service, family, selector)
        for frontend in frontends
        for service in frontend.services
        for family in service.families
        for selector in _selectors(service, family)
    )


def _selectors(service: ResolvedService, family: int) -> Iterator[str]:
    model = service.model
    if model.fwmark is not None:
        yield f"fwmark {model.fwmark}"
    elif model.virtual_server_group is not None:
        yield f"group {group_name(service, family)}"
    else:
        for vip in service.vips:
            if vip.family == family:
                yield f"{vip.address} {model.port}" if model.port else str(vip.address)


def group_name(service: ResolvedService, family: int) -> str:
    """The name of a service's group in a family, since all addresses of a group have one family."""
    assert service.model.virtual_server_group is not None
    return service.model.virtual_server_group.name + (
        "_6" if family == 6 and len(service.families) > 1 else ""
    )


def _virtual_server(
    frontend: ResolvedFrontend, service: ResolvedService, family: int, selector: str
) -> VirtualServer:
    model = service.model
    method = _method(model.forward, model.tunnel)
    servers = tuple(_server(service, server, family, method) for server in service.real_servers)
    return VirtualServer(
        selector=selector,
        frontend=frontend.name,
        family=family,
        service=model,
        method=method,
        protocol=None if model.marks else model.protocol.upper(),
        servers=servers,
        sorry=_sorry(model, family, method),
        ip_family="inet6" if model.fwmark and family == 6 and model.forward == "tun" else None,
    )


def _server(
    service: ResolvedService, server: RealServer, family: int, common_method: str
) -> RealServerVariables:
    options = server.options
    method = _method(service.forward(server), options.tunnel or service.model.tunnel)
    checks = options.check if options.check is not None else service.model.check
    return RealServerVariables(
        server.host,
        server.address(family) or server.addresses[0],
        service.port(server),
        service.weight(server),
        method if method != common_method else None,
        options,
        checks,
    )


def _sorry(model: Service, family: int, common_method: str) -> Sorry | None:
    sorry = model.sorry_server
    if sorry is None or (
        sorry.address.version != family and (sorry.forward or model.forward) != "tun"
    ):
        return None
    method = _method(sorry.forward or model.forward, sorry.tunnel or model.tunnel)
    return Sorry(
        sorry.address,
        sorry.port or model.port,
        method if method != common_method else None,
        sorry.inhibit,
    )


def _method(forward: str, tunnel: Tunnel) -> str:
    """The value of `lvs_method`."""
    if forward != "tun":
        return forward.upper()
    port = f" port {tunnel.port}" if tunnel.port else ""
    checksum = f" {tunnel.checksum}" if tunnel.checksum else ""
    return f"TUN type {tunnel.type}{port}{checksum}"


def server_groups(frontends: Sequence[ResolvedFrontend]) -> tuple[ServerGroup, ...]:
    """The virtual server groups of a director's front ends."""
    return tuple(
        ServerGroup(group_name(service, family), tuple(_members(service, family)))
        for frontend in frontends
        for service in frontend.services
        if service.model.virtual_server_group is not None
        for family in service.families
    )


def _members(service: ResolvedService, family: int) -> Iterator[str]:
    group = service.model.virtual_server_group
    assert group is not None
    suffix = f" {service.model.port}" if service.model.port else ""
    addresses = [str(vip.address) for vip in service.vips if vip.family == family]
    ranges = [text for text in group.ranges if (":" in text) == (family == 6)]
    if service.model.marks:
        yield from (f"fwmark {mark}" for mark in service.model.marks)
    else:
        yield from (address + suffix for address in (*addresses, *ranges))


def check_files(servers: Sequence[VirtualServer]) -> tuple[TrackFile, ...]:
    """The files that checks read, without repetition: files of the inventory, and drain files."""
    files = {server.drain.name: server.drain for virtual in servers for server in virtual.servers}
    for check in _checks(servers):
        if isinstance(check, FileCheck):
            files.setdefault(
                check.file,
                TrackFile.model_construct(name=check.file, file=check.file, init=check.init),
            )
    return tuple(files.values())


def check_sessions(
    servers: Sequence[VirtualServer], settings: HostSettings
) -> tuple[BfdSession, ...]:
    """The BFD sessions with real servers, without repetition."""
    sessions: dict[str, BfdSession] = {}
    for virtual in servers:
        for server in virtual.servers:
            for check in server.checks:
                if isinstance(check, BfdCheck):
                    name = server.session
                    source = settings.address_of(server.address.version)
                    sessions.setdefault(name, BfdSession(name, server.address, source, check))
    return tuple(sessions.values())


def _checks(servers: Sequence[VirtualServer]) -> Iterator[Check]:
    for virtual in servers:
        for server in virtual.servers:
            yield from server.checks
