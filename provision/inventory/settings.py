"""The settings of a host: the variables that hactl reads from it, besides Ansible's."""

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
    """Facts set in the inventory. They override the host's, or replace them for `hactl render`."""

    os_family: Literal["debian", "redhat"] | None = None
    """Family of the operating system; it decides paths and package names."""
    os_id: Word | None = None
    """`ID` of os-release(5)."""
    os_version: Word | None = None
    """`VERSION_ID` of os-release(5)."""
    hostname: Word | None = None
    """Host name of the host itself."""
    kernel: Word | None = None
    """Release of the kernel, as `uname -r` prints it."""
    default_interface: InterfaceName | None = None
    """Interface of the default route."""
    keepalived_version: Word | None = None
    """Version of Keepalived on the host."""
    firewall: Literal["none", "firewalld", "nftables"] | None = None
    """Firewall that filters the host's input."""
    network_scripts: Flag | None = None
    """Whether the host has RHEL's `ifup` scripts."""
    selinux: Literal["enforcing", "permissive", "disabled"] | None = None
    """Mode of SELinux."""

    def over(self, facts: Facts) -> Facts:
        """`facts`, overridden by the pinned facts."""
        return dataclasses.replace(facts, **self.model_dump(exclude_none=True))


class HostSettings(Model):
    """The variables of a host.

    `address` has the host's addresses, at most one for each family. Set it if `ansible_host` is not
    a literal address, or if one family is not enough. `interface` faces the clients; set it if the
    facts would find another. `hactl_roles` adds roles to those that follow from the host's place in
    the front ends.
    """

    address: Annotated[tuple[Address, ...], BeforeValidator(as_list)] = ()
    """Address of the host, or one for each family. Absent: `ansible_host` or the host's name, if
    that is a literal address."""
    interface: InterfaceName | None = None
    """Interface that faces the clients. Absent: the interface with the address, else that of the
    default route."""
    vrrp_priority: Priority | None = None
    """VRRP priority in all front ends that do not set one under `priorities`."""
    hactl_roles: Annotated[tuple[Identifier, ...], BeforeValidator(as_list)] = ()
    """Roles besides those that follow from its place in the front ends (hactl)."""
    ipvs_manager: Owner | None = None
    """Program that fills its IPVS table, unless a front end sets it. Absent: Keepalived (hactl)."""
    kafka_id: Annotated[Integer, Field(ge=0, le=2147483647)] | None = None
    """Number of its Kafka node (`node.id`, `broker.id`). The data belongs to the number (hactl)."""
    kafka_host: Word | None = None
    """Name or address that its broker advertises. Absent: the host's address (hactl)."""
    zookeeper_id: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Number of its ZooKeeper member (`myid`) (hactl)."""
    hactl_facts: PinnedFacts = PinnedFacts()
    """Facts that override the host's."""
    keepalived: Keepalived = Keepalived()
    """Settings of the whole director (hactl)."""

    def address_of(self, family: int) -> IpAddress | None:
        """The host's address of a family, 4 or 6."""
        return next((address for address in self.address if address.version == family), None)


NAMES = tuple(HostSettings.model_fields)


def read_settings(host: Host) -> HostSettings:
    """The settings of `host`.

    Without `address`, the address comes from `ansible_host` or the host's name. Raises InputError
    for a variable that does not fit.
    """
    variables = {name: host.vars[name] for name in NAMES if name in host.vars}
    settings = validated(HostSettings, Node(variables, host.position))
    if settings.address:
        return settings
    for text in (host.var("ansible_host"), host.name):
        try:
            return settings.model_copy(update={"address": (ipaddress.ip_address(str(text)),)})
        except ValueError:
            continue
    return settings


def address_problem(host: Host) -> Problem:
    """The problem of a host whose address is needed but not known.

    hactl looks up no names: a resolver's answer may change, the table of a load balancer must not.
    """
    message = f"the address of {host.name} is not known"
    why = "its `ansible_host` is not a literal IP address, and Keepalived needs one"
    place = host.node("ansible_host").position
    return Problem(
        place, "address-unknown", message, why, "write one, or add `address: …` to the host"
    )
