"""What of an inventory can be probed."""

from __future__ import annotations

from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import HttpCheck
from provision.inventory.topology import Topology
from provision.prober.record import ProbeService


def services_of(topology: Topology) -> tuple[tuple[ProbeService, ...], tuple[str, ...]]:
    """Every TCP service on every VIP, and a message for each service that cannot be probed (UDP, fwmark alone).

    `path` is the first url of its HTTP check, else `/`: the prober tries it and falls back to plain connections.
    """
    found: list[ProbeService] = []
    messages: list[str] = []
    for frontend in topology.frontends:
        for service in frontend.services:
            why = _unfit(service)
            if why:
                messages.append(f"{frontend.name}: {_described(service)} is not probed: {why}")
            else:
                found += _probes(frontend, service)
    return tuple(found), tuple(messages)


def _unfit(service: ResolvedService) -> str:
    """Why a service cannot be probed; empty for one that can."""
    if service.model.protocol != "tcp":
        return f"a probe needs connections, {service.model.protocol.upper()} has none"
    if service.model.port is None:
        return "it names no port to connect to"
    return "" if service.vips else "it is on no VIP"


def _described(service: ResolvedService) -> str:
    model = service.model
    if model.marks:
        return f"fwmark {', '.join(map(str, model.marks))}"
    return f"{model.protocol.upper()} " + (f"port {model.port}" if model.port else "on every port")


def _probes(frontend: ResolvedFrontend, service: ResolvedService) -> list[ProbeService]:
    port = service.model.port
    assert port is not None
    path, host = _page(service)
    found = []
    for vip in service.vips:
        place = f"[{vip.address}]" if vip.family == 6 else str(vip.address)
        name = f"{frontend.name} {place}:{port}"
        found.append(ProbeService(frontend.name, name, str(vip.address), port, path, host))
    return found


def _page(service: ResolvedService) -> tuple[str, str]:
    """The path and the host name that its checks ask for; the host name is empty for the address itself."""
    default = service.model.virtualhost or ""
    options = [server.options for server in service.real_servers]
    checks = [*service.model.check, *(check for own in options for check in own.check or ())]
    for check in checks:
        if isinstance(check, HttpCheck):
            return check.urls[0].path, check.urls[0].virtualhost or check.virtualhost or default
    return "/", default
