"""The view of the client at one moment, and the services and servers that it asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.model.checks import HttpCheck
from provision.inventory.topology import Topology
from provision.prober.record import ProbeService
from provision.prober.services import services_of

Place = tuple[str, int]
"""A service: its virtual address and port."""

HTTP_PORT = 80
"""The port that is asked for a page even without an HTTP check (RFC 9110 §4.2.1)."""

MIN_TRIES, MAX_TRIES = 2, 8
"""The bounds for the tries of each service in one look."""

RANK = {"page": 2, "open": 1}
"""The rank of a reply: a page, an accepted connection; an error has rank 0."""


@dataclass(frozen=True)
class ClientView:
    """The answers to one look of the client.

    `owners` are the MAC addresses that answer for each VIP. `believed` is the MAC address that the
    client sends packets for the VIP to (empty: none yet). `replies` are the results of the tries of
    each service. `servers` are the answers of each real server to a connection to the VIP
    (`syn-ack`, `rst`, `silent`). An address that is not on the client's link is only in `replies`.
    """

    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    believed: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    servers: Mapping[tuple[str, Place], str] = field(default_factory=dict)

    def worst(self, place: Place) -> str:
        """The reply with the lowest rank; empty if the service was not tried."""
        return min(self.replies.get(place, ()), key=lambda reply: RANK.get(reply, 0), default="")

    def rank(self, place: Place) -> int:
        """The rank of the worst reply: 2 for a page, 1 for a connection, 0 for an error."""
        return RANK.get(self.worst(place), 0)


def services_to_try(topology: Topology) -> tuple[ProbeService, ...]:
    """The TCP services. A service with an HTTP check or port 80 has a path: it is asked for a page.

    Other services only get a connection: they would log a GET as an error.
    """
    return tuple(
        service
        if _serves_pages(topology, service)
        else ProbeService(service.frontend, service.name, *_place(service))
        for service in services_of(topology)[0]
    )


def _place(service: ProbeService) -> Place:
    return service.address, service.port


def _serves_pages(topology: Topology, probed: ProbeService) -> bool:
    if probed.port == HTTP_PORT:
        return True
    checks = (
        check
        for frontend in topology.frontends
        for service in frontend.services
        if frontend.name == probed.frontend and service.model.port == probed.port
        for options in (
            service.model.check,
            *(server.options.check or () for server in service.real_servers),
        )
        for check in options
    )
    return any(isinstance(check, HttpCheck) for check in checks)


def tries_per_service(topology: Topology) -> int:
    """The tries of each service in one look: as many as it has real servers, but two to eight."""
    count = max(
        (
            len(service.real_servers)
            for frontend in topology.frontends
            for service in frontend.services
        ),
        default=0,
    )
    return min(MAX_TRIES, max(MIN_TRIES, count))


def direct_routing_servers(
    frontends: Sequence[ResolvedFrontend],
) -> Iterator[tuple[str, str, Place]]:
    """The real servers that take connections to a VIP themselves: host, address and service."""
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                port = service.port(server)
                if service.forward(server) != "dr" or service.model.protocol != "tcp" or not port:
                    continue
                for vip in service.vips:
                    address = server.address(vip.family)
                    if address:
                        yield server.host, str(address), (str(vip.address), port)
