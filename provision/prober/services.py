"""What of an inventory can be probed."""

from __future__ import annotations

from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import Check, HttpCheck, KafkaCheck, SslCheck
from provision.inventory.topology import Topology
from provision.prober.record import ProbeService


def services_of(topology: Topology) -> tuple[tuple[ProbeService, ...], tuple[str, ...]]:
    """Every TCP service on every VIP, and a message for each service that cannot be probed (UDP, fwmark alone).

    Its checks say what it speaks: Kafka, TLS, or HTTP, where `path` is the first url of its check, else `/`. The prober
    tries that and falls back to plain connections.
    """
    encrypted = topology.kafka is not None and topology.kafka.certificates is not None
    found: list[ProbeService] = []
    messages: list[str] = []
    for frontend in topology.frontends:
        for service in frontend.services:
            why = _unfit(service)
            if why:
                messages.append(f"{frontend.name}: {_described(service)} is not probed: {why}")
            else:
                found += _probes(frontend, service, encrypted)
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


def _probes(
    frontend: ResolvedFrontend, service: ResolvedService, encrypted: bool
) -> list[ProbeService]:
    port = service.model.port
    assert port is not None
    opening = _opening(service, encrypted)
    path, host = (None, service.model.virtualhost or "") if opening else _page(service)
    found = []
    for vip in service.vips:
        place = f"[{vip.address}]" if vip.family == 6 else str(vip.address)
        name = f"{frontend.name} {place}:{port}"
        found.append(ProbeService(frontend.name, name, str(vip.address), port, path, host, opening))
    return found


def _checks(service: ResolvedService) -> tuple[Check, ...]:
    options = [server.options for server in service.real_servers]
    return (*service.model.check, *(check for own in options for check in own.check or ()))


def _opening(service: ResolvedService, encrypted: bool) -> str:
    """What is said first on a connection that is not HTTP's; `encrypted` is whether the Kafka cluster wants TLS."""
    for check in _checks(service):
        if isinstance(check, KafkaCheck):
            return "tls" if encrypted else "kafka"
        if isinstance(check, SslCheck):
            return "tls"
    return ""


def _page(service: ResolvedService) -> tuple[str, str]:
    """The path and the host name that its checks ask for; the host name is empty for the address itself."""
    default = service.model.virtualhost or ""
    for check in _checks(service):
        if isinstance(check, HttpCheck):
            return check.urls[0].path, check.urls[0].virtualhost or check.virtualhost or default
    return "/", default
