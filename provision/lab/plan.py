"""The plan of a lab: its name, and its hosts with their kinds and addresses. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from provision.core.errors import LabError

Kind = Literal["director", "node"]

# RFC 1123 labels, and underscores, which become hyphens in the host name on the host.
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class LabHost:
    """A host; `addresses` have prefix lengths ("192.168.227.101/24"), the first is for logins."""

    name: str
    kind: Kind
    addresses: tuple[str, ...]
    mac: str

    @property
    def address(self) -> str:
        """The first address without its prefix length."""
        return self.addresses[0].partition("/")[0]

    @property
    def hostname(self) -> str:
        """The host name on the host: RFC 1123 does not allow underscores."""
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class LabSpec:
    """The specification of a lab; equal specifications give equal hosts, addresses and MACs."""

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
        """The lab `name` from triples: host name, literal IP address, whether it is a director.

        Raises LabError for invalid and repeated names and addresses.
        """
        name = lab_name(name)
        if not hosts:
            raise LabError(f"lab {name}: the inventory has no hosts", "add hosts to the inventory")
        lab_hosts = tuple(
            LabHost(
                _host_name(host),
                "director" if is_director else "node",
                (_address(host, address, prefix_v4, prefix_v6),),
                f"02:68:61:00:{index >> 8:02x}:{index & 255:02x}",
            )
            for index, (host, address, is_director) in enumerate(hosts, start=1)
        )
        _refuse_duplicates(lab_hosts)
        return cls(name, lab_hosts)

    def host(self, name: str) -> LabHost:
        """The host of that name. Raises LabError with the known names."""
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"lab {self.name} has no host {name}", f"its hosts are: {known}")

    def same_hosts(self, other: LabSpec) -> bool:
        """Whether both labs have the same hosts, in any order."""
        return self._host_identities() == other._host_identities()

    def _host_identities(self) -> set[tuple[str, Kind, tuple[str, ...]]]:
        return {(host.name, host.kind, host.addresses) for host in self.hosts}

    def to_json(self) -> dict[str, Any]:
        """The specification as plain values, for the lab's state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LabSpec:
        """The specification from the values of `to_json`."""
        hosts = (
            LabHost(h["name"], h["kind"], tuple(h["addresses"]), h["mac"]) for h in data["hosts"]
        )
        return cls(data["name"], tuple(hosts))


def lab_name(stem: str) -> str:
    """The lab's name from an inventory file's stem: lower case, hyphens, at most 32 characters.

    The name of a lab gives the same name. Raises LabError if no character is left.
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
            f"set ansible_host of {host} to a unicast address, not loopback or link-local",
        )
    return f"{address}/{prefix_v4 if address.version == 4 else prefix_v6}"


def _refuse_duplicates(hosts: Sequence[LabHost]) -> None:
    owner: dict[str, str] = {}
    for host in hosts:
        for key in (f"name {host.hostname}", *(f"address {a}" for a in host.addresses)):
            if key in owner:
                raise LabError(
                    f"{owner[key]} and {host.name} share the {key.partition('/')[0]}",
                    "give every host of the inventory another name and another address",
                )
            owner[key] = host.name
