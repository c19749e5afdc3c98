"""The check that a real server listens on the addresses and ports of its services."""

from __future__ import annotations

from collections.abc import Iterator

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import Listener, LiveFinding
from provision.inventory.frontends import RealServer, ResolvedService


def listeners(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server listens for each of its services: on the VIP or on any address.

    With NAT it listens on its own address. Without NAT, a listener on its own address alone passes
    the directors' checks, but clients get a reset.
    """
    for frontend in snapshot.topology.served_by(host):
        for service in frontend.services:
            for server in service.real_servers:
                if (
                    server.host == host
                    and service.model.protocol in ("tcp", "udp")
                    and service.port(server)
                ):
                    yield from _missing_listeners(snapshot, service, server)


def _missing_listeners(
    snapshot: Snapshot, service: ResolvedService, server: RealServer
) -> Iterator[LiveFinding]:
    port, protocol = service.port(server), service.model.protocol
    bound = [
        listener
        for listener in snapshot.lives[server.host].listeners
        if (listener.protocol, listener.port) == (protocol, port)
    ]
    for vip in service.addresses:
        server_address = server.address(vip.version) or server.addresses[0]
        address = str(server_address if service.forward(server) == "nat" else vip)
        if any(_accepts(listener, address) for listener in bound):
            continue
        if bound:
            places = ", ".join(sorted({_place(listener) for listener in bound}))
            yield LiveFinding(
                "listeners",
                server.host,
                f"listens on {places}, not on {address} port {port}",
                "the checks pass, and clients get a reset",
                f"let it listen on {address} or on any address",
            )
        else:
            yield LiveFinding(
                "listeners",
                server.host,
                f"nothing listens on {protocol} port {port}",
                f"the inventory has a service for {address} there",
                "start the service",
            )


def _accepts(listener: Listener, address: str) -> bool:
    family = 6 if ":" in address else 4
    return listener.address == address or (
        listener.address == "*" and listener.family in (0, family)
    )


def _place(listener: Listener) -> str:
    if listener.address != "*":
        return listener.address
    return f"any IPv{listener.family} address" if listener.family else "any address"
