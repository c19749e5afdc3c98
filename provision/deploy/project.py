"""A project: one inventory, read, validated and ready to render; the first half of every command."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import UsageError
from provision.core.facts import Facts
from provision.desired.items import DesiredHost
from provision.desired.render import render_host
from provision.hosts.target import Target
from provision.inventory.hosts import Inventory
from provision.inventory.reader import read_inventory
from provision.inventory.templating import resolve_inventory
from provision.inventory.topology import Topology, build


@dataclass(frozen=True)
class Project:
    """An inventory, its templates resolved, and the topology it describes; `lab` is the lab it has, if not its own."""

    path: Path
    inventory: Inventory
    topology: Topology
    lab: str = ""

    @property
    def lab_name(self) -> str:
        """The name of this inventory's lab."""
        return self.lab or self.path.stem

    def managed(self, limit: str = "") -> tuple[str, ...]:
        """The hosts hactl has something to do with, in inventory order, cut to `limit` (hosts or groups, by commas).

        Raises:
            UsageError: `limit` names something that is not in the inventory, or nothing that is managed.
        """
        hosts = self.topology.managed()
        if not limit:
            return hosts
        wanted: set[str] = set()
        for name in filter(None, (part.strip() for part in limit.split(","))):
            if name not in self.inventory.hosts and name not in self.inventory.groups:
                raise UsageError(
                    f"no host or group {name} in {self.path}", "hactl inventory --list shows them"
                )
            wanted |= {name} if name in self.inventory.hosts else set(self.inventory.members(name))
        chosen = tuple(host for host in hosts if host in wanted)
        if not chosen:
            raise UsageError(
                f"{limit}: hactl has nothing to do there", f"hactl manages {', '.join(hosts)}"
            )
        return chosen

    def render(self, host: str, facts: Facts) -> DesiredHost:
        """All that `host` must look like, given its facts; `hactl_facts` of the inventory overrule them."""
        return render_host(
            self.topology, self.inventory, host, self.topology.hosts[host].hactl_facts.over(facts)
        )

    def targets(self, hosts: tuple[str, ...], lab: bool = False) -> Mapping[str, Target]:
        """How to log in to each host: as the inventory says, or into its lab."""
        if lab:
            from provision.lab.access import lab_target

            return {host: lab_target(self.lab_name, host) for host in hosts}
        return {host: Target.of(self.inventory.hosts[host]) for host in hosts}

    def digest(self) -> str:
        """A short digest of the inventory file, for logs that say what was deployed."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]


def load(path: Path) -> Project:
    """Read and validate everything that can be known without asking a host.

    Raises:
        InputError: with every problem found, each at its place.
    """
    inventory = resolve_inventory(read_inventory(path))
    return Project(path, inventory, build(inventory))
