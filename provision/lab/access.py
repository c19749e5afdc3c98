"""Logins to a lab's hosts, from the same ssh_config that `ssh -F` reads."""

from __future__ import annotations

from collections.abc import Iterable

from provision.hosts.target import Target, from_options
from provision.lab.control import layout_of_running
from provision.lab.layout import Layout, cache_root
from provision.lab.plan import lab_name


def lab_target(name: str, host: str) -> Target:
    """The login of a lab's host. Raises LabError if the lab is not up or lacks the host."""
    layout, spec = layout_of_running(name)
    spec.host(host)
    return from_options(host, host, {}, str(layout.ssh_config))


def in_lab(name: str, targets: Iterable[Target]) -> bool:
    """Whether all logins use the known_hosts of the lab of this name."""
    known_hosts = str(Layout(lab_name(name), cache_root()).known_hosts)
    logins = list(targets)
    return bool(logins) and all(known_hosts in login.known_hosts for login in logins)
