"""The packets that the firewalls of hosts must accept for the front ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provision.desired.keepalived_variables import Instance, Sync
from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import (
    BfdCheck,
    Check,
    DnsCheck,
    HttpCheck,
    KafkaCheck,
    SmtpCheck,
    SslCheck,
    TcpCheck,
    UdpCheck,
)
from provision.inventory.settings import HostSettings

SYNC_GROUP = "224.0.0.81"
"""The kernel's default group for sync packets, port 8848 (keepalived.conf(5), lvs_sync_daemon)."""

BFD_PORT = 3784
"""RFC 5881 §4."""


@dataclass(frozen=True, order=True)
class Opening:
    """Packets to accept; `protocol` is vrrp, tcp, udp, sctp, ipip or gre.

    `port` and `destination` are None for any. `family` is 4 or 6.
    """

    protocol: str
    port: int | None
    destination: str | None
    family: int


def director_openings(
    instances: Sequence[Instance],
    frontends: Sequence[ResolvedFrontend],
    sync: Sync | None,
    bfd: bool,
) -> tuple[Opening, ...]:
    """The packets that a director accepts: adverts, connection sync, BFD, and clients."""
    openings: list[Opening] = [
        Opening("vrrp", None, None, instance.family) for instance in instances
    ]
    if sync:
        group = str(sync.group or SYNC_GROUP)
        openings.append(Opening("udp", sync.daemon.port, group, 6 if ":" in group else 4))
    if bfd:
        openings += [
            Opening("udp", BFD_PORT, None, family)
            for family in {instance.family for instance in instances}
        ]
    for frontend in frontends:
        for service in frontend.services:
            openings += _client_openings(service)
    return tuple(dict.fromkeys(openings))


def _client_openings(service: ResolvedService) -> Iterator[Opening]:
    """The service's port on its virtual addresses; all ports if the service has a mark."""
    model = service.model
    for address in service.addresses:
        yield Opening(model.protocol, model.port, str(address), address.version)


def real_server_openings(
    host: str, frontends: Sequence[ResolvedFrontend], settings: HostSettings
) -> tuple[Opening, ...]:
    """The packets that a real server accepts: clients (VIP or translated), tunnels and checks."""
    openings: list[Opening] = []
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                if server.host == host:
                    openings += _traffic_openings(service, server)
                    openings += _check_openings(service, server, settings)
    return tuple(dict.fromkeys(openings))


def _traffic_openings(service: ResolvedService, server: RealServer) -> Iterator[Opening]:
    forward = service.forward(server)
    if forward == "nat":
        yield from _openings_at(server, service.model.protocol, service.port(server))
        return
    yield from _client_openings(service)
    if forward == "tun":
        tunnel = server.options.tunnel or service.model.tunnel
        protocol, port = {"gue": ("udp", tunnel.port)}.get(tunnel.type, (tunnel.type, None))
        yield from _openings_at(server, protocol, port)


def _openings_at(server: RealServer, protocol: str, port: int | None) -> Iterator[Opening]:
    for address in server.addresses:
        yield Opening(protocol, port, str(address), address.version)


def _check_openings(
    service: ResolvedService, server: RealServer, settings: HostSettings
) -> Iterator[Opening]:
    checks = server.options.check if server.options.check is not None else service.model.check
    for check in checks:
        protocol, port = _check_port(check, service.port(server))
        if protocol and getattr(check, "connect_ip", None) in (None, *settings.address):
            yield from _openings_at(server, protocol, port)


def _check_port(check: Check, service_port: int | None) -> tuple[str, int | None]:
    """The protocol and port of a check's packets; an empty protocol if it sends no packets."""
    match check:
        case TcpCheck() | HttpCheck() | SslCheck() | SmtpCheck():
            return "tcp", check.port or service_port
        case UdpCheck() | DnsCheck():
            return "udp", check.port or service_port
        case BfdCheck():
            return "udp", BFD_PORT
        case KafkaCheck():
            return "tcp", service_port
    return "", None
