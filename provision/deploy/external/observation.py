"""What was seen at one moment: by the client, and by the directors whose transactions are open. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from provision.deploy.external.client_view import ClientView
from provision.formats.ip_addr import live_addresses
from provision.formats.ipvsadm import Table, saved_table
from provision.hosts.agent.transaction import HostState


@dataclass(frozen=True)
class Observation:
    """The client's `view` (None without one), and what each director with an open transaction told."""

    view: ClientView | None = None
    told: Mapping[str, HostState] = field(default_factory=dict)

    def holds(self, host: str, vip: str) -> bool:
        """Whether a director told that it has the address, on an interface other than the loopback."""
        return host in self.told and vip in _held(self.told[host].addresses)

    def table(self, host: str) -> Table:
        """The table of a director, empty for one that told nothing."""
        return saved_table(self.told[host].ipvs) if host in self.told else {}


def _held(lines: Iterable[str]) -> frozenset[str]:
    """The addresses of `ip -o addr show` outside the loopback."""
    return frozenset(live.address for live in live_addresses(lines) if live.interface != "lo")
