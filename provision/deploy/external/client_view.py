"""What one look from outside has seen, and what it asks for. Pure."""

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

HTTP = 80
"""The port whose services are asked for a page without an HTTP check in the inventory (RFC 9110 §4.2.1)."""

RANK = {"page": 2, "open": 1}
"""How much a reply is worth: a page, an accepted connection, and nothing for an error."""


@dataclass(frozen=True)
class ClientView:
    """One look of the client's.

    `owners` are the MACs that answer for each VIP, `believed` is the one that the client sends to (empty: none yet).
    `replies` are the words of the tries of each service, `servers` what each real server itself says to a connection to
    the VIP (`syn-ack`, `rst`, `silent`). An address that is not on the client's link is in none of them but `replies`.
    """

    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    believed: Mapping[str, str] = field(default_factory=dict)
    replies: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    servers: Mapping[tuple[str, Place], str] = field(default_factory=dict)

    def worst(self, place: Place) -> str:
        """The reply that is worth least; empty where none was asked for."""
        return min(self.replies.get(place, ()), key=lambda word: RANK.get(word, 0), default="")

    def rank(self, place: Place) -> int:
        """What the worst reply is worth: 2 a page, 1 a connection, 0 nothing."""
        return RANK.get(self.worst(place), 0)


def tried(topology: Topology) -> tuple[ProbeService, ...]:
    """The TCP services, with a path where a page can be expected: an HTTP check of theirs, or port 80.

    Whatever speaks another protocol is only connected to: a GET would end in its log as a mistake.
    """
    return tuple(
        service
        if _pages(topology, service)
        else ProbeService(service.frontend, service.name, *_place(service))
        for service in services_of(topology)[0]
    )


def _place(service: ProbeService) -> Place:
    return service.address, service.port


def _pages(topology: Topology, wanted: ProbeService) -> bool:
    if wanted.port == HTTP:
        return True
    checks = (
        check
        for frontend in topology.frontends
        for service in frontend.services
        if frontend.name == wanted.frontend and service.model.port == wanted.port
        for options in (
            service.model.check,
            *(server.options.check or () for server in service.real_servers),
        )
        for check in options
    )
    return any(isinstance(check, HttpCheck) for check in checks)


def tries(topology: Topology) -> int:
    """How often each service is tried in a look: once for each real server, but two to eight times."""
    most = max(
        (len(service.real_servers) for one in topology.frontends for service in one.services),
        default=0,
    )
    return min(8, max(2, most))


def direct(frontends: Sequence[ResolvedFrontend]) -> Iterator[tuple[str, str, Place]]:
    """Every real server that takes connections to a VIP itself (direct routing), its address, and the service."""
    for frontend in frontends:
        for service in frontend.services:
            for server in service.real_servers:
                port = service.port(server)
                if service.forward(server) != "dr" or service.model.protocol != "tcp" or not port:
                    continue
                for vip in service.vips:
                    own = server.address(vip.family)
                    if own:
                        yield server.host, str(own), (str(vip.address), port)
