"""The model of a front end: its virtual addresses, its directors and its services."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from provision.inventory.model.service import Hosts, Service
from provision.inventory.model.text import (
    Address,
    Flag,
    Identifier,
    Integer,
    InterfaceName,
    Model,
    Word,
    mistake,
)
from provision.inventory.model.vrrp import Vrrp

Priority = Annotated[Integer, Field(ge=1, le=254)]
Owner = Literal["keepalived", "ipvsadm"]


class Vip(Model):
    """A virtual address (VIP).

    Without `prefix` it is a host address (/32, /128), which adds no route. An `excluded` address
    moves with the others but is not advertised. Exclude addresses if the front end has more of them
    than an advert holds (20 in version 2).
    """

    address: Address
    """The virtual address."""
    prefix: Annotated[Integer, Field(ge=1, le=128)] | None = None
    """Prefix length of the address on the interface. Absent: 32, for IPv6 128."""
    interface: InterfaceName | None = None
    """Interface that gets the address (`dev`). Absent: the VRRP instance's."""
    label: InterfaceName | None = None
    """Label of an IPv4 address, `eth0:1` (`label`)."""
    scope: Literal["site", "link", "host", "nowhere", "global"] | None = None
    """Scope of the address, ip-address(8)."""
    excluded: Flag = False
    """Move it with the others, but leave it out of the adverts (`virtual_ipaddress_excluded`)."""
    no_track: Flag = False
    """Stay master when somebody deletes the address. Keepalived then restores it at the next
    takeover only."""

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.address.version

    @model_validator(mode="after")
    def _consistent(self) -> Vip:
        if self.prefix is not None and self.prefix > self.address.max_prefixlen:
            raise mistake(
                "out-of-range",
                f"a prefix length of {self.prefix} is too long for {self.address}",
                "",
                "use at most 32 for IPv4",
            )
        if self.address.is_multicast or self.address.is_loopback or self.address.is_unspecified:
            raise mistake(
                "vip-not-usable",
                f"{self.address} cannot be a virtual address",
                "no client can connect to it",
                "take a free address of the directors' network",
            )
        return self


def _vip(value: Any) -> Any:
    """The mapping for a VIP; `192.168.227.10` and `192.168.227.10/24` are short forms of it."""
    if isinstance(value, dict | Vip):
        return value
    if not isinstance(value, str):
        raise mistake(
            "vip-not-an-address",
            f"{value!a} is not an IP address",
            "",
            "write an IPv4 or IPv6 address",
        )
    address, slash, prefix = value.partition("/")
    if slash and not prefix.isdecimal():
        raise mistake(
            "vip-not-an-address",
            f"{value!a} is not an IP address",
            "",
            "write the prefix as a number, `/24`",
        )
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise mistake(
            "vip-not-an-address",
            f"{value!a} is not an IP address",
            "directors add a VIP to their interface",
            "write an IPv4 or IPv6 address",
        ) from None
    return {"address": address, "prefix": int(prefix)} if slash else {"address": address}


class Frontend(Model):
    """A front end. `directors` and `real_servers` name a group, a host, or a list of these.

    The directors' priorities fall in the order of the list (100, 99, …). `priorities` and the
    host's variable `vrrp_priority` override them.
    """

    name: Identifier
    """Name of the front end; its VRRP instance is `VI_NAME` (hactl)."""
    vips: Annotated[tuple[Annotated[Vip, BeforeValidator(_vip)], ...], Field(min_length=1)]
    """The virtual addresses, written as an address or as `ADDRESS/PREFIX`. They are IPv4, IPv6 or
    both (hactl)."""
    directors: Hosts
    """The directors that hold the virtual addresses: a group, a host, or a list of these
    (hactl)."""
    priorities: dict[Word, Priority] = Field(default_factory=dict)
    """VRRP priority by director. Absent: the host's `vrrp_priority`, else 100, 99, … in order
    (RFC 5798 §5.2.4)."""
    vrrp: Vrrp
    """VRRP settings, by which the directors elect the master."""
    services: tuple[Service, ...] = ()
    """The services on the virtual addresses. If the list is empty, the addresses only move."""
    ipvs_manager: Owner | None = None
    """Program that fills the directors' IPVS table. `ipvsadm` loads its rules file and checks no
    real server. Absent: the host's `ipvs_manager`, else Keepalived (hactl)."""

    @property
    def families(self) -> tuple[int, ...]:
        """The address families of its VIPs, 4 first."""
        return tuple(sorted({vip.family for vip in self.vips}))

    @model_validator(mode="after")
    def _consistent(self) -> Frontend:
        if self.vrrp.version == 2 and 6 in self.families:
            raise mistake(
                "vrrp2-ipv6",
                "VRRP version 2 has no IPv6",
                "RFC 3768 defines it for IPv4 only",
                "set `version: 3`",
            )
        for family in self.families:
            if all(vip.excluded for vip in self.vips if vip.family == family):
                raise mistake(
                    "vip-all-excluded",
                    f"every IPv{family} address is `excluded`",
                    "an advert must carry an address",
                    "remove `excluded` from one of them",
                )
        return self
