"""The services of an inventory that the prober can probe."""

from __future__ import annotations

from provision.formats import endpoint
from provision.inventory.frontends import ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import Check, HttpCheck, KafkaCheck, SslCheck
from provision.inventory.topology import Topology
from provision.prober.record import ProbeService


def services_of(topology: Topology) -> tuple[tuple[ProbeService, ...], tuple[str, ...]]:
    """Return the TCP services on all VIPs, and a message for each service without a probe.

    UDP services and services by fwmark alone cannot be probed. The protocol follows from the health
    checks: Kafka, TLS, or HTTP with the first url of the check, else `/`. If that gets no good
    answer, the prober uses plain connections.
    """
    encrypted = topology.kafka is not None and topology.kafka.certificates is not None
    services: list[ProbeService] = []
    messages: list[str] = []
    for frontend in topology.frontends:
        for service in frontend.services:
            reason = _unfit(service)
            if reason:
                messages.append(f"{frontend.name}: {_described(service)} is not probed: {reason}")
            else:
                services += _probes(frontend, service, encrypted)
    return tuple(services), tuple(messages)


def _unfit(service: ResolvedService) -> str:
    """Return the reason why a service cannot be probed; empty if it can."""
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
    services = []
    for vip in service.vips:
        address = str(vip.address)
        name = f"{frontend.name} {endpoint.join(address, port)}"
        services.append(ProbeService(frontend.name, name, address, port, path, host, opening))
    return services


def _checks(service: ResolvedService) -> tuple[Check, ...]:
    options = [server.options for server in service.real_servers]
    return (*service.model.check, *(check for option in options for check in option.check or ()))


def _opening(service: ResolvedService, encrypted: bool) -> str:
    """Return the first exchange of a service without HTTP; `encrypted`: brokers use TLS."""
    for check in _checks(service):
        if isinstance(check, KafkaCheck):
            return "tls" if encrypted else "kafka"
        if isinstance(check, SslCheck):
            return "tls"
    return ""


def _page(service: ResolvedService) -> tuple[str, str]:
    """Return the path and the host name of the checks. The host name is empty for the address."""
    default = service.model.virtualhost or ""
    for check in _checks(service):
        if isinstance(check, HttpCheck):
            return check.urls[0].path, check.urls[0].virtualhost or check.virtualhost or default
    return "/", default
