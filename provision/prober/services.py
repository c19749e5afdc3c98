"""What of an inventory can be probed."""

from __future__ import annotations

from provision.inventory.topology import Topology
from provision.prober.record import ProbeService


def services_of(topology: Topology) -> tuple[tuple[ProbeService, ...], tuple[str, ...]]:
    """Every TCP service on every VIP, and a message for each service that cannot be probed (UDP, fwmark alone).

    `path` is the first url of its HTTP check, else `/`: the prober tries it and falls back to plain connections.
    """
    raise NotImplementedError
