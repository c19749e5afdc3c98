"""The IPVS table of a director as ipvsadm(8) writes it: what owns the table, or what the live one is compared with."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.ipvs_view import ports
from provision.inventory.model.service import Service, Tunnel

PACKET_FORWARDING = {"dr": "-g", "nat": "-m", "tun": "-i"}
FLAGS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}


@dataclass(frozen=True)
class IpvsService:
    """One service of the kernel's table as `ipvsadm --save --numeric` writes it."""

    selector: str
    rule: str
    servers: tuple[str, ...]

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The rules that `ipvsadm --restore` reads."""
        return (f"-A {self.selector} {self.rule}", *(f"-a {self.selector} {server}" for server in self.servers))


def ipvs_services(frontends: Sequence[ResolvedFrontend]) -> tuple[IpvsService, ...]:
    """The kernel's table as it must be while every real server is alive."""
    return tuple(
        _ipvs_service(service, family, selector, port)
        for frontend in frontends
        for service in frontend.services
        for family in service.families
        for selector, port in _ipvs_selectors(service, family)
    )


def _ipvs_selectors(service: ResolvedService, family: int) -> Iterator[tuple[str, int | None]]:
    """The services of the kernel, each as ipvsadm's option and the port clients come to (None: any)."""
    model = service.model
    group = model.virtual_server_group
    marks = [model.fwmark] if model.fwmark is not None else [*(group.fwmarks if group else ())]
    for mark in marks:
        yield f"-f {mark}" + (" -6" if family == 6 else ""), None
    if model.fwmark is None:
        for address in _addresses(service, family):
            for port in ports(model) or ((0,) if model.serves_any_port else ()):
                yield f"{FLAGS[model.protocol]} {_bracketed(address)}:{port}", port or None


def _addresses(service: ResolvedService, family: int) -> Iterator[str]:
    group = service.model.virtual_server_group
    yield from (str(vip.address) for vip in service.vips if vip.family == family)
    for text in group.ranges if group else ():
        if (":" in text) == (family == 6):
            yield from expand_range(text)


def expand_range(text: str) -> Iterator[str]:
    """The addresses of a range as keepalived.conf(5) writes it: `10.0.0.1-9`, `10.0.0.1-10.0.1.9` or `10.0.0.8/29`.

    Raises ValueError when it is none.
    """
    if "/" in text:
        yield from map(str, ipaddress.ip_network(text, strict=False))
        return
    low_text, dash, high_text = text.partition("-")
    low = ipaddress.ip_address(low_text)
    if not dash:
        yield str(low)
        return
    separator = ":" if low.version == 6 else "."
    if separator not in high_text:
        high_text = low_text.rpartition(separator)[0] + separator + high_text
    high = ipaddress.ip_address(high_text)
    if high.version != low.version or int(high) < int(low):
        raise ValueError(text)
    for number in range(int(low), int(high) + 1):
        yield str(type(low)(number))


def _ipvs_service(service: ResolvedService, family: int, selector: str, port: int | None) -> IpvsService:
    servers = (_ipvs_server(service, server, family, port) for server in service.real_servers)
    return IpvsService(selector, _ipvs_rule(service.model, family), tuple(servers))


def _ipvs_rule(model: Service, family: int) -> str:
    parts = ["-s", model.scheduler]
    if model.persistent:
        parts += ["-p", str(model.persistence_timeout or 360)]
    if model.persistence_granularity and (model.persistence_granularity.isdecimal() == (family == 6)):
        parts += ["-M", model.persistence_granularity]
    if model.persistence_engine:
        parts += ["--pe", model.persistence_engine]
    if model.ops:
        parts += ["-o"]
    if model.scheduler_flags:
        parts += ["-b", ",".join(model.scheduler_flags)]
    return " ".join(parts)


def _ipvs_server(service: ResolvedService, server: RealServer, family: int, port: int | None) -> str:
    address = server.address(family) or server.addresses[0]
    forward = service.forward(server)
    own_port = server.options.port or port or 0
    parts = ["-r", f"{_bracketed(str(address))}:{own_port}", PACKET_FORWARDING[forward]]
    if forward == "tun":
        parts += _tunnel(server.options.tunnel or service.model.tunnel)
    parts += ["-w", str(service.weight(server))]
    if server.options.uthreshold:
        parts += ["-x", str(server.options.uthreshold)]
    if server.options.lthreshold:
        parts += ["-y", str(server.options.lthreshold)]
    return " ".join(parts)


def _tunnel(tunnel: Tunnel) -> list[str]:
    """The options of a tunnel; ipip is what ipvsadm takes without any."""
    if tunnel.type == "ipip":
        return []
    port = ["--tun-port", str(tunnel.port)] if tunnel.port else []
    return ["--tun-type", tunnel.type, *port, *([f"--tun-{tunnel.checksum}"] if tunnel.checksum else [])]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def modules(frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
    """The kernel modules that the services need: ip_vs, the schedulers, the persistence engine."""
    models = [service.model for frontend in frontends for service in frontend.services]
    engines = {f"ip_vs_pe_{model.persistence_engine}" for model in models if model.persistence_engine}
    return ("ip_vs", *sorted({f"ip_vs_{model.scheduler}" for model in models} | engines))
