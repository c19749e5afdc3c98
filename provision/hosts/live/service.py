"""Whether a real server listens where its services are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import Listener, LiveFinding
from provision.inventory.frontends import RealServer, ResolvedService


def listeners(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Something listens for each service of a real server: on the VIP or on any address, with NAT on its own.

    Bound to its own address alone it passes the directors' checks, and clients get a reset.
    """
    for frontend in seen.topology.served_by(host):
        for service in frontend.services:
            for server in service.real_servers:
                if (
                    server.host == host
                    and service.model.protocol in ("tcp", "udp")
                    and service.port(server)
                ):
                    yield from _served(seen, service, server)


def _served(seen: Snapshot, service: ResolvedService, server: RealServer) -> Iterator[LiveFinding]:
    port, protocol = service.port(server), service.model.protocol
    bound = [
        own
        for own in seen.lives[server.host].listeners
        if (own.protocol, own.port) == (protocol, port)
    ]
    for address in service.addresses:
        own = server.address(address.version) or server.addresses[0]
        asked = str(own) if service.forward(server) == "nat" else str(address)
        if any(_takes(listener, asked) for listener in bound):
            continue
        if bound:
            where = ", ".join(sorted({_place(listener) for listener in bound}))
            what, why = (
                f"listens on {where}, not on {asked} port {port}",
                "the checks pass, and clients get a reset",
            )
            fix = f"let it listen on {asked} or on any address"
            yield LiveFinding("listeners", server.host, what, why, fix)
        else:
            what = f"nothing listens on {protocol} port {port}"
            yield LiveFinding(
                "listeners",
                server.host,
                what,
                f"{asked} is to be served there",
                "start the service",
            )


def _takes(listener: Listener, address: str) -> bool:
    family = 6 if ":" in address else 4
    return listener.address == address or (
        listener.address == "*" and listener.family in (0, family)
    )


def _place(listener: Listener) -> str:
    if listener.address != "*":
        return listener.address
    return f"any IPv{listener.family} address" if listener.family else "any address"
