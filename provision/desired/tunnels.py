"""The tunnel ends of a real server, which unwrap the packets from directors.

Every tunnel module of the kernel has a device that unwraps packets from any sender: `tunl0`,
`sit0`, `ip6tnl0`, `gre0`, `ip6gre0`. The families of the real server's address (outside) and of the
virtual address (inside) determine the device. GUE adds UDP around, which `ip fou` removes first
(ip-fou(8)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provision.inventory.frontends import RealServer, ResolvedFrontend, ResolvedService

IP_IN_IP = {(4, 4): ("ipip", "tunl0"), (4, 6): ("sit", "sit0")}
IP_IN_IP |= {(6, 4): ("ip6_tunnel", "ip6tnl0"), (6, 6): ("ip6_tunnel", "ip6tnl0")}
GRE = {4: ("ip_gre", "gre0"), 6: ("ip6_gre", "ip6gre0")}


@dataclass(frozen=True)
class TunnelEnd:
    """A tunnel's end: the kernel module and device that unwrap, and GUE's module and port.

    Without GUE, `fou_module` is empty and `port` is 0. `family` is 4 or 6: the outside family.
    """

    module: str
    device: str
    family: int
    fou_module: str = ""
    port: int = 0

    @property
    def gue(self) -> bool:
        """Whether the packets arrive in UDP."""
        return bool(self.port)


def tunnel_ends(host: str, served: Sequence[ResolvedFrontend]) -> tuple[TunnelEnd, ...]:
    """The tunnels that end at `host`, without repetition."""
    ends: dict[TunnelEnd, None] = {}
    for service in (service for frontend in served for service in frontend.services):
        for server in service.real_servers:
            if server.host == host and service.forward(server) == "tun":
                ends.update(
                    dict.fromkeys(_end(service, server, family) for family in service.families)
                )
    return tuple(ends)


def _end(service: ResolvedService, server: RealServer, inside: int) -> TunnelEnd:
    tunnel = server.options.tunnel or service.model.tunnel
    outside = (server.address(inside) or server.addresses[0]).version
    module, device = GRE[outside] if tunnel.type == "gre" else IP_IN_IP[outside, inside]
    if tunnel.type == "gue":
        return TunnelEnd(
            module, device, outside, "fou6" if outside == 6 else "fou", tunnel.port or 0
        )
    return TunnelEnd(module, device, outside)
