"""The facts about a host that rendering depends on.

The observe agent sends the facts together with the state of the host, in one exec. `hactl render`
connects to no host and uses the defaults. The inventory may set any fact under `hactl_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interface:
    """A network interface and its addresses with prefix lengths (`192.168.227.101/24`)."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The facts about one host.

    `os_family` is `debian` or `redhat`. `firewall` is `firewalld`, `nftables`, or `none` if nothing
    filters input. `network_scripts` is true if the RHEL `ifup` scripts are installed. The version
    of a program that is not installed is empty.
    """

    os_family: str = "debian"
    os_id: str = "debian"
    os_version: str = "12"
    hostname: str = ""
    kernel: str = ""
    interfaces: tuple[Interface, ...] = ()
    default_interface: str = ""
    keepalived_version: str = ""
    firewall: str = "none"
    network_scripts: bool = False
    selinux: str = "disabled"

    def interface_of(self, address: str) -> str:
        """The interface with `address` (no prefix length), else the default route's."""
        for interface in self.interfaces:
            if any(cidr.split("/")[0] == address for cidr in interface.addresses):
                return interface.name
        return self.default_interface
