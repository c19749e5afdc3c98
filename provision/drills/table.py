"""The weights in an IPVS table: those that the kernel reports, and those that are intended."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from provision.desired.ipvs_rules import FLAGS, ipvs_services
from provision.formats import endpoint
from provision.formats.ipvsadm import weight
from provision.inventory.frontends import ResolvedFrontend

Entry = tuple[str, str]
"""A service and a real server, as in ipvsadm(8): `-t 192.0.2.10:80` and `192.0.2.103:80`."""

Table = Mapping[Entry, int]
"""The weight of every real server in the table."""


def kernel_table(fields: Sequence[str]) -> dict[Entry, int]:
    """The table from a `table` line of agent/watch.sh.

    `TCP C0A8E30A:0050` starts a service, `C0A8E367:0050 1` is a real server of it. Raises
    ValueError for a field that /proc/net/ip_vs never contains.
    """
    table: dict[Entry, int] = {}
    service = ""
    for field in fields:
        word, value = field.split(" ", 1)
        if word == "FWM":
            service = f"-f {int(value, 16)}"
        elif word.lower() in FLAGS:
            service = f"{FLAGS[word.lower()]} {_endpoint(value)}"
        else:
            table[service, _endpoint(word)] = int(value)
    return table


def _endpoint(text: str) -> str:
    """`C0A8E30A:0050` or `[fd00:0000:…:0010]:0050` as ipvsadm(8) writes it."""
    address, port = endpoint.split(text)
    if ":" in address:
        return endpoint.join(str(ipaddress.IPv6Address(address)), int(port, 16))
    return endpoint.join(str(ipaddress.IPv4Address(int(address, 16))), int(port, 16))


def intended_table(frontends: Sequence[ResolvedFrontend]) -> dict[Entry, int]:
    """The weights while every real server is alive.

    The selector of a firewall mark has no address family: /proc/net/ip_vs does not show it.
    """
    table: dict[Entry, int] = {}
    for service in ipvs_services(frontends):
        for server in service.servers:
            selector = (
                service.selector.removesuffix(" -6")
                if service.selector.startswith("-f")
                else service.selector
            )
            table[selector, server.place] = weight(server.rule)
    return table


def hosts_of(frontend: ResolvedFrontend) -> dict[Entry, str]:
    """The host of each real server in a front end's intended table."""
    names = {
        str(address): server.host
        for service in frontend.services
        for server in service.real_servers
        for address in server.addresses
    }
    return {entry: names[endpoint.host(entry[1])] for entry in intended_table([frontend])}


def receives_connections(table: Table, frontend: ResolvedFrontend, host: str) -> bool:
    """Whether a service of the front end sends new connections to `host`.

    It does where the table has the host with a weight above 0.
    """
    return any(
        table.get(entry, 0) > 0 for entry, name in hosts_of(frontend).items() if name == host
    )


def as_intended(table: Table, frontend: ResolvedFrontend) -> bool:
    """Whether every real server of the front end has its weight in the table.

    Other services do not matter.
    """
    return all(table.get(entry) == weight for entry, weight in intended_table([frontend]).items())
