"""Logging in to a lab's hosts from within hactl: the same ssh_config that `ssh -F` reads."""

from __future__ import annotations

from provision.lab.control import layout_of_running
from provision.remote.target import Target, from_options


def lab_target(name: str, host: str) -> Target:
    """The login of a lab's host; raises LabError when the lab is not up or has no such host."""
    layout, spec = layout_of_running(name)
    spec.host(host)
    return from_options(host, host, {}, str(layout.ssh_config))
