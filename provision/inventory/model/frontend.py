"""A front end: virtual addresses, the directors that hold them, the services on them."""

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
    """A virtual address. Without `prefix` it is a host address (/32, /128), which adds no route.

    `excluded`: moved with the others but not advertised, for more addresses than an advert holds (20 in version 2).
    """

    address: Address
    """The virtual address."""
    prefix: Annotated[Integer, Field(ge=1, le=128)] | None = None
    """Prefix length it is added with. Absent: 32, for IPv6 128."""
    interface: InterfaceName | None = None
    """Interface it is added to (`dev`). Absent: the VRRP instance's."""
    label: InterfaceName | None = None
    """Label of an IPv4 address, `eth0:1` (`label`)."""
    scope: Literal["site", "link", "host", "nowhere", "global"] | None = None
    """Scope of the address, ip-address(8)."""
    excluded: Flag = False
    """Move it with the others, but leave it out of the adverts (`virtual_ipaddress_excluded`)."""
    no_track: Flag = False
    """Stay master when somebody deletes the address, and do not put it back before the next takeover."""

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
                "an IPv4 one has 32 bits",
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
    """`192.168.227.10` and `192.168.227.10/24` stand for a mapping."""
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
        what, why = (
            f"{value!a} is not an IP address",
            "a VIP is what the directors add to their interface",
        )
        raise mistake("vip-not-an-address", what, why, "write an IPv4 or IPv6 address") from None
    return {"address": address, "prefix": int(prefix)} if slash else {"address": address}


class Frontend(Model):
    """One front end. `directors` and `real_servers` name a group, a host, or a list of these.

    The order of the directors is the order of their priorities (100, 99, …) unless `priorities` or
    the host's variable `vrrp_priority` says otherwise.
    """

    name: Identifier
    """Name of the front end; the VRRP instance is `VI_NAME` (hactl)."""
    vips: Annotated[tuple[Annotated[Vip, BeforeValidator(_vip)], ...], Field(min_length=1)]
    """The virtual addresses, an address or `ADDRESS/PREFIX` each; one IPv4 or IPv6 family, or both (hactl)."""
    directors: Hosts
    """Who holds them: a group, a host, or a list of these (hactl)."""
    priorities: dict[Word, Priority] = Field(default_factory=dict)
    """VRRP priority by director. Absent: the host's `vrrp_priority`, else 100, 99, … in order (RFC 5798 §5.2.4)."""
    vrrp: Vrrp
    """How the directors agree on who is master."""
    services: tuple[Service, ...] = ()
    """What is answered on the addresses. May be empty: then the addresses just move."""
    ipvs_manager: Owner | None = None
    """Who fills the IPVS table of its directors. With `ipvsadm` it is ipvsadm's rules file, and nothing is checked.
    Absent: the host's `ipvs_manager`, else Keepalived (hactl)."""

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
                    "an advert must carry one",
                    "leave one of them in",
                )
        return self
