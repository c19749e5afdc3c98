"""The services of a topology, and the checks of their real servers."""

from __future__ import annotations

from collections.abc import Iterator

from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import Checks
from provision.inventory.topology import Topology


def services(topology: Topology) -> Iterator[tuple[ResolvedFrontend, ResolvedService]]:
    """Yield every service with its front end."""
    for frontend in topology.frontends:
        for service in frontend.services:
            yield frontend, service


def checks_of(service: ResolvedService, server: RealServer) -> Checks:
    """Return the checks of a real server: its own, else the service's."""
    own_checks = server.options.check
    return service.model.check if own_checks is None else own_checks
