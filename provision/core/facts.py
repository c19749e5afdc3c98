"""What a host is: the facts that rendering depends on.

Facts come from the observe agent, in the same exec that then looks at the host's state; `hactl render` asks no
host and takes the defaults. The inventory may pin any of them under `hactl_facts`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interface:
    """A network interface and its addresses, each with its prefix length (`192.168.227.101/24`)."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What rendering needs to know of a host.

    `os_family` is `debian` or `redhat`. `firewall` is `none` where nothing filters input, else `firewalld` or
    `nftables`. `network_scripts` says that the RHEL `ifup` scripts are there. Versions are empty
    where the program is not installed yet.
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
        """The interface that carries `address` (no prefix length), or the default route's, or empty."""
        for interface in self.interfaces:
            if any(own.split("/")[0] == address for own in interface.addresses):
                return interface.name
        return self.default_interface
