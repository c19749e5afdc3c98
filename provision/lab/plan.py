"""What a lab consists of: its name, its hosts, their kinds and addresses. Pure; no file is read here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from provision.core.errors import LabError

Kind = Literal["director", "node"]

# RFC 1123 labels, plus the underscore that inventories use; it becomes "-" in the host's own name.
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class LabHost:
    """One host: `addresses` carry their prefix ("192.168.227.101/24"), the first is the one logged in to."""

    name: str
    kind: Kind
    addresses: tuple[str, ...]
    mac: str

    @property
    def address(self) -> str:
        """The first address without its prefix."""
        return self.addresses[0].partition("/")[0]

    @property
    def hostname(self) -> str:
        """The name the host gives itself: RFC 1123 knows no underscore."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class LabSpec:
    """A lab to be: the same spec always gives the same hosts with the same addresses and MACs."""

    name: str
    hosts: tuple[LabHost, ...]

    @classmethod
    def of(
        cls,
        name: str,
        hosts: Sequence[tuple[str, str, bool]],
        prefix_v4: int = 24,
        prefix_v6: int = 64,
    ) -> LabSpec:
        """The lab `name` of (host name, literal IP address, is a director) triples, in the inventory's order.

        Raises LabError for a name or address the lab cannot use, and for doubles.
        """
        name = lab_name(name)
        if not hosts:
            raise LabError(f"lab {name}: the inventory has no hosts", "add hosts to the inventory")
        made = tuple(
            LabHost(
                _host_name(host),
                "director" if is_director else "node",
                (_address(host, address, prefix_v4, prefix_v6),),
                f"02:68:61:00:{index >> 8:02x}:{index & 255:02x}",
            )
            for index, (host, address, is_director) in enumerate(hosts, start=1)
        )
        _refuse_doubles(made)
        return cls(name, made)

    def host(self, name: str) -> LabHost:
        """The host of that name; raises LabError naming the known ones."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"lab {self.name} has no host {name}", f"its hosts are: {known}")

    def same_hosts(self, other: LabSpec) -> bool:
        """Whether both labs have the same hosts, in any order."""
        return {(h.name, h.kind, h.addresses) for h in self.hosts} == {
            (h.name, h.kind, h.addresses) for h in other.hosts
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values for the lab's state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LabSpec:
        """The spec that `to_json` wrote."""
        hosts = (
            LabHost(h["name"], h["kind"], tuple(h["addresses"]), h["mac"]) for h in data["hosts"]
        )
        return cls(data["name"], tuple(hosts))


def lab_name(stem: str) -> str:
    """The lab's name for an inventory file's stem: lower case, other characters as hyphens, at most 32 long.

    A lab's name gives itself. Raises LabError when nothing is left.
    """
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:32].strip("-")
    if not name:
        raise LabError(
            f"{stem!r} cannot name a lab",
            "give the inventory file a name with a letter or digit a-z, 0-9",
        )
    return name


def _host_name(name: str) -> str:
    if not _HOST_NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot name a lab host",
            "host names have at most 63 letters, digits, hyphens, underscores and dots",
        )
    return name


def _address(host: str, text: str, prefix_v4: int, prefix_v6: int) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise LabError(
            f"{host}: the lab needs a literal IP address, not {text!r}",
            f"set ansible_host of {host} to an IPv4 or IPv6 address",
        ) from None
    if (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
    ):
        raise LabError(
            f"{host}: {text} cannot be a host's address in the lab",
            f"set ansible_host of {host} to a unicast address that is neither loopback nor link-local",
        )
    return f"{address}/{prefix_v4 if address.version == 4 else prefix_v6}"


def _refuse_doubles(hosts: Sequence[LabHost]) -> None:
    owner: dict[str, str] = {}
    for host in hosts:
        for key in (f"name {host.hostname}", *(f"address {a}" for a in host.addresses)):
            if key in owner:
                raise LabError(
                    f"{owner[key]} and {host.name} share the {key.partition('/')[0]}",
                    "give each host of the inventory its own",
                )
            owner[key] = host.name
