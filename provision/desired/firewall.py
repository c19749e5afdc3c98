"""What a firewall on the way must let through, as the front ends need it."""

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
"""Where the kernel's sync daemon sends, and its port 8848 (keepalived.conf(5), lvs_sync_daemon)."""

BFD_PORT = 3784
"""RFC 5881 §4."""


@dataclass(frozen=True, order=True)
class Opening:
    """Packets to let in: `protocol` (vrrp, tcp, udp, sctp, ipip or gre), `port` and `destination` or None for any.

    `family` is 4 or 6. An empty port stands for every port of the destination.
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
    """What a director must let in: adverts, synchronised connections, BFD, and the clients."""
    found: list[Opening] = [Opening("vrrp", None, None, instance.family) for instance in instances]
    if sync:
        group = str(sync.group or SYNC_GROUP)
        found.append(Opening("udp", sync.daemon.port, group, 6 if ":" in group else 4))
    if bfd:
        found += [
            Opening("udp", BFD_PORT, None, family)
            for family in {instance.family for instance in instances}
        ]
    for frontend in frontends:
        for service in frontend.services:
            found += _client_openings(service)
    return tuple(dict.fromkeys(found))


def _client_openings(service: ResolvedService) -> Iterator[Opening]:
    """The service's ports on its virtual addresses; a mark says nothing of ports, so all are opened."""
    model = service.model
    for address in service.addresses:
        yield Opening(model.protocol, model.port, str(address), address.version)


def real_server_openings(
    host: str, frontends: Sequence[ResolvedFrontend], settings: HostSettings
) -> tuple[Opening, ...]:
    """What a real server must let in: the clients, on the VIP or translated, tunnels, and the checks."""
    found: list[Opening] = []
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                if server.host == host:
                    found += _served(service, server)
                    found += _checked(service, server, settings)
    return tuple(dict.fromkeys(found))


def _served(service: ResolvedService, server: RealServer) -> Iterator[Opening]:
    forward = service.forward(server)
    if forward == "nat":
        port = service.port(server)
        yield from (
            Opening(service.model.protocol, port, str(own), own.version) for own in server.addresses
        )
        return
    yield from _client_openings(service)
    if forward == "tun":
        tunnel = server.options.tunnel or service.model.tunnel
        protocol, port = {"gue": ("udp", tunnel.port)}.get(tunnel.type, (tunnel.type, None))
        yield from (Opening(protocol, port, str(own), own.version) for own in server.addresses)


def _checked(
    service: ResolvedService, server: RealServer, settings: HostSettings
) -> Iterator[Opening]:
    checks = server.options.check if server.options.check is not None else service.model.check
    for check in checks:
        protocol, port = _check_port(check, service.port(server))
        if protocol and getattr(check, "connect_ip", None) in (None, *settings.address):
            yield from (Opening(protocol, port, str(own), own.version) for own in server.addresses)


def _check_port(check: Check, own: int | None) -> tuple[str, int | None]:
    """The protocol and port a check comes in on; no protocol where it does not come by the network."""
    match check:
        case TcpCheck() | HttpCheck() | SslCheck() | SmtpCheck():
            return "tcp", check.port or own
        case UdpCheck() | DnsCheck():
            return "udp", check.port or own
        case BfdCheck():
            return "udp", BFD_PORT
        case KafkaCheck():
            return "tcp", own
    return "", None
