"""What the inventory says of one host: the variables hactl reads from it, besides Ansible's own."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from provision.core.errors import Problem
from provision.core.facts import Facts
from provision.inventory.hosts import Host
from provision.inventory.model.frontend import Owner, Priority
from provision.inventory.model.globals import Keepalived
from provision.inventory.model.text import (
    Address,
    Flag,
    Identifier,
    Integer,
    InterfaceName,
    IpAddress,
    Model,
    Word,
    as_list,
)
from provision.inventory.source import Node
from provision.inventory.validation import validated


class PinnedFacts(Model):
    """Facts that the inventory knows better than the host, or that no host was asked for (`hactl render`)."""

    os_family: Literal["debian", "redhat"] | None = None
    """Decides paths and package names."""
    os_id: Word | None = None
    """`ID` of os-release(5)."""
    os_version: Word | None = None
    """`VERSION_ID` of os-release(5)."""
    hostname: Word | None = None
    """What the host calls itself."""
    kernel: Word | None = None
    """Release of its kernel, as `uname -r` prints it."""
    default_interface: InterfaceName | None = None
    """Interface of its default route."""
    keepalived_version: Word | None = None
    """Version of Keepalived there."""
    firewall: Literal["none", "firewalld", "nftables"] | None = None
    """What filters input there."""
    network_scripts: Flag | None = None
    """Whether RHEL's `ifup` scripts are there."""
    selinux: Literal["enforcing", "permissive", "disabled"] | None = None
    """Mode of SELinux."""

    def over(self, facts: Facts) -> Facts:
        """`facts` with the pinned ones in place of theirs."""
        return dataclasses.replace(facts, **self.model_dump(exclude_none=True))


class HostSettings(Model):
    """The variables of a host.

    `address`: its own addresses, one a family at most, where `ansible_host` is not a literal address or one family is
    not enough. `interface`: the one that faces the clients, where facts would find another. `hactl_roles`:
    roles it gets besides those its place in the front ends gives it.
    """

    address: Annotated[tuple[Address, ...], BeforeValidator(as_list)] = ()
    """Its own address, or one a family. Absent: `ansible_host` if that is a literal address, else the host's name if
    that is one."""
    interface: InterfaceName | None = None
    """The interface that faces the clients. Absent: the one that carries the address, else that of the
    default route."""
    vrrp_priority: Priority | None = None
    """Its VRRP priority in every front end that has none for it under `priorities`."""
    hactl_roles: Annotated[tuple[Identifier, ...], BeforeValidator(as_list)] = ()
    """Roles besides those its place in the front ends gives it (hactl)."""
    ipvs_manager: Owner | None = None
    """Who fills its IPVS table, where no front end says. Absent: Keepalived (hactl)."""
    kafka_id: Annotated[Integer, Field(ge=0, le=2147483647)] | None = None
    """Number of the Kafka node on it (`node.id`, `broker.id`); its data belongs to the number (hactl)."""
    kafka_host: Word | None = None
    """Name or address that its broker advertises. Absent: its address (hactl)."""
    zookeeper_id: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Number of the ZooKeeper member on it (`myid`) (hactl)."""
    hactl_facts: PinnedFacts = PinnedFacts()
    """Facts that hold whatever the host says of itself."""
    keepalived: Keepalived = Keepalived()
    """What holds for the whole director (hactl)."""

    def address_of(self, family: int) -> IpAddress | None:
        """Its address of a family, 4 or 6."""
        return next((address for address in self.address if address.version == family), None)


NAMES = tuple(HostSettings.model_fields)


def read_settings(host: Host) -> HostSettings:
    """The settings of `host`; its address taken from `ansible_host`, or from its name, where `address` is absent.

    Raises InputError for a variable that does not fit.
    """
    own = {name: host.vars[name] for name in NAMES if name in host.vars}
    settings = validated(HostSettings, Node(own, host.position))
    if settings.address:
        return settings
    for text in (host.var("ansible_host"), host.name):
        try:
            return settings.model_copy(update={"address": (ipaddress.ip_address(str(text)),)})
        except ValueError:
            continue
    return settings


def address_problem(host: Host) -> Problem:
    """The complaint about a host whose address is needed and not known.

    Names are not looked up: what one resolver says today is no basis for a load balancer's table.
    """
    what = f"the address of {host.name} is not known"
    why = "its `ansible_host` is not a literal IP address, and Keepalived needs one"
    place = host.node("ansible_host").position
    return Problem(
        place, "address-unknown", what, why, "write one, or add `address: …` to the host"
    )
