"""The desired IPVS table of a director, as ipvsadm(8) writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provision.desired.items import VirtualService
from provision.formats import endpoint
from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService
from provision.inventory.model.checks import FileCheck, MiscCheck
from provision.inventory.model.service import Service, Tunnel

PACKET_FORWARDING = {"dr": "-g", "nat": "-m", "tun": "-i"}
FLAGS = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}


@dataclass(frozen=True)
class Destination:
    """A real server in the table: its options, and its limits (`-x`, `-y`), which are not saved."""

    rule: str
    limits: str
    host: str = ""

    @property
    def place(self) -> str:
        """Its `ADDRESS:PORT`."""
        return self.rule.split()[1]


@dataclass(frozen=True)
class IpvsService:
    """A service of the kernel's table, in ipvsadm's spelling and order.

    `weights` and `sorry` are those of `provision.desired.items.VirtualService`.
    """

    selector: str
    rule: str
    servers: tuple[Destination, ...]
    weights: str = "fixed"
    sorry: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The rules that `ipvsadm --restore` reads."""
        return tuple(line + limits for line, limits in self._rules())

    @property
    def saved(self) -> tuple[str, ...]:
        """The lines that `ipvsadm --save --numeric` prints when the rules are loaded."""
        return tuple(line for line, _ in self._rules())

    def _rules(self) -> Iterator[tuple[str, str]]:
        yield f"-A {self.selector} {self.rule}", ""
        for server in self.servers:
            yield f"-a {self.selector} {server.rule}", server.limits


def virtual(service: IpvsService) -> VirtualService:
    """The service as an item, which plan, verify and doctor compare with the live table."""
    servers = tuple(
        f"{server.host} {server.rule.removeprefix('-r ')}" for server in service.servers
    )
    return VirtualService(service.selector, service.rule, servers, service.weights, service.sorry)


def ipvs_services(frontends: Sequence[ResolvedFrontend]) -> tuple[IpvsService, ...]:
    """The kernel's table while all real servers are healthy."""
    return tuple(
        _ipvs_service(service, family, selector, port)
        for frontend in frontends
        for service in frontend.services
        for family in service.families
        for selector, port in _ipvs_selectors(service, family)
    )


def _ipvs_selectors(service: ResolvedService, family: int) -> Iterator[tuple[str, int | None]]:
    """The kernel's services, as ipvsadm's option and the port of clients (None: any)."""
    model = service.model
    for mark in model.marks:
        yield f"-f {mark}" + (" -6" if family == 6 else ""), None
    if not model.marks:
        for address in service.addresses:
            if address.version == family:
                yield (
                    f"{FLAGS[model.protocol]} {endpoint.join(str(address), model.port or 0)}",
                    model.port,
                )


def _ipvs_service(
    service: ResolvedService, family: int, selector: str, port: int | None
) -> IpvsService:
    servers = (_ipvs_server(service, server, family, port) for server in service.real_servers)
    sorry = service.model.sorry_server
    place = endpoint.join(str(sorry.address), sorry.port or port or 0) if sorry else ""
    return IpvsService(
        selector, _ipvs_rule(service.model, family), tuple(servers), weights_of(service), place
    )


def weights_of(service: ResolvedService) -> str:
    """`fixed`, `zero` or `any`, as in `provision.desired.items.VirtualService`."""
    options = [server.options for server in service.real_servers]
    checks = [*service.model.check, *(check for option in options for check in option.check or ())]
    if any(
        (isinstance(check, MiscCheck) and check.dynamic)
        or (isinstance(check, FileCheck) and check.weight)
        for check in checks
    ):
        return "any"
    inhibited = service.model.inhibit_on_failure or any(
        option.inhibit_on_failure for option in options
    )
    return "zero" if inhibited else "fixed"


def _ipvs_rule(model: Service, family: int) -> str:
    parts = ["-s", model.scheduler]
    if model.persistent:
        parts += ["-p", str(model.persistence_timeout)]
    if model.persistence_granularity and (
        model.persistence_granularity.isdecimal() == (family == 6)
    ):
        parts += ["-M", model.persistence_granularity]
    if model.persistence_engine:
        parts += ["--pe", model.persistence_engine]
    if model.ops:
        parts += ["-o"]
    if model.flags:
        parts += ["-b", ",".join(sorted(model.flags))]
    return " ".join(parts)


def _ipvs_server(
    service: ResolvedService, server: RealServer, family: int, port: int | None
) -> Destination:
    address = server.address(family) or server.addresses[0]
    forward = service.forward(server)
    server_port = server.options.port or port or 0
    parts = ["-r", endpoint.join(str(address), server_port), PACKET_FORWARDING[forward]]
    parts += ["-w", str(service.weight(server))]
    if forward == "tun":
        parts += _tunnel(server.options.tunnel or service.model.tunnel)
    limits = (("-x", server.options.uthreshold), ("-y", server.options.lthreshold))
    limit_options = "".join(f" {option} {limit}" for option, limit in limits if limit)
    return Destination(" ".join(parts), limit_options, server.host)


def _tunnel(tunnel: Tunnel) -> list[str]:
    """The options of a tunnel, defaults included, as ipvsadm saves them."""
    port = ["--tun-port", str(tunnel.port)] if tunnel.port else []
    checksum = [f"--tun-{tunnel.checksum or 'nocsum'}"] if tunnel.type != "ipip" else []
    return ["--tun-type", tunnel.type, *port, *checksum]


def modules(frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
    """The kernel modules that the services need: ip_vs, schedulers and persistence engines."""
    models = [service.model for frontend in frontends for service in frontend.services]
    engines = {
        f"ip_vs_pe_{model.persistence_engine}" for model in models if model.persistence_engine
    }
    return ("ip_vs", *sorted({f"ip_vs_{model.scheduler}" for model in models} | engines))
