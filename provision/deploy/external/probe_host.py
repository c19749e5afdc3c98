"""The host from which a rollout is checked: the inventory's client, else the controller."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext

from provision.core.errors import HactlError
from provision.hosts.channel import Session
from provision.hosts.ssh import connect
from provision.hosts.target import Target
from provision.inventory.topology import Topology
from provision.prober.session import local_session

Viewpoint = Callable[[], AbstractContextManager[Session]]
"""Opens the session of the probe host, which closes with its block.

Raises HactlError if there is no such host.
"""


def viewpoint(
    topology: Topology, target: Callable[[str], Target], *, controller: bool
) -> Viewpoint:
    """The first host of group `clients` that has no other role; else the controller, if allowed.

    `target` returns the login of a host.
    """
    idle = topology.idle_clients()

    def open_session() -> AbstractContextManager[Session]:
        if idle:
            return closing(connect(target(idle[0])))
        if not controller:
            raise HactlError("no client")
        return nullcontext(local_session())

    return open_session
