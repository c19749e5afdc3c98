"""One observation: the view of the client, and the state of the batch's directors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from provision.deploy.external.client_view import ClientView
from provision.formats.ip_addr import live_addresses
from provision.formats.ipvsadm import Table, saved_table
from provision.hosts.agent.transaction import HostState


@dataclass(frozen=True)
class Observation:
    """The client's `view` (None without a client), and the `states` of the batch's directors."""

    view: ClientView | None = None
    states: Mapping[str, HostState] = field(default_factory=dict)

    def holds(self, host: str, vip: str) -> bool:
        """Whether a director reports the address on an interface other than the loopback."""
        return host in self.states and vip in _held_addresses(self.states[host].addresses)

    def table(self, host: str) -> Table:
        """The table of a director; empty if the director has no state here."""
        return saved_table(self.states[host].ipvs) if host in self.states else {}


def _held_addresses(lines: Iterable[str]) -> frozenset[str]:
    """The addresses of `ip -o addr show` outside the loopback."""
    return frozenset(live.address for live in live_addresses(lines) if live.interface != "lo")
