"""A project: one inventory that is read, validated and ready to render."""

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
    """An inventory with its templates resolved, and the topology that it describes.

    `lab` names its lab; empty means the lab named after the inventory file.
    """

    path: Path
    inventory: Inventory
    topology: Topology
    lab: str = ""

    @property
    def lab_name(self) -> str:
        """The name of this inventory's lab."""
        return self.lab or self.path.stem

    def managed(self, limit: str = "") -> tuple[str, ...]:
        """The hosts that hactl manages, in inventory order.

        `limit` names hosts or groups, separated by commas; only these are returned then.

        Raises:
            UsageError: `limit` names something that is not in the inventory, or no managed host.
        """
        hosts = self.topology.managed()
        if not limit:
            return hosts
        names: set[str] = set()
        for name in filter(None, (part.strip() for part in limit.split(","))):
            if name not in self.inventory.hosts and name not in self.inventory.groups:
                raise UsageError(
                    f"no host or group {name} in {self.path}", "hactl inventory --list shows them"
                )
            names |= {name} if name in self.inventory.hosts else set(self.inventory.members(name))
        chosen = tuple(host for host in hosts if host in names)
        if not chosen:
            raise UsageError(
                f"{limit}: hactl manages no host there", f"hactl manages {', '.join(hosts)}"
            )
        return chosen

    def render(self, host: str, facts: Facts) -> DesiredHost:
        """The desired state of `host`; `hactl_facts` of the inventory override its facts."""
        return render_host(
            self.topology, self.inventory, host, self.topology.hosts[host].hactl_facts.over(facts)
        )

    def targets(self, hosts: tuple[str, ...], lab: bool = False) -> Mapping[str, Target]:
        """The login of each host: from the inventory, or in its lab."""
        if lab:
            from provision.lab.access import lab_target

            return {host: lab_target(self.lab_name, host) for host in hosts}
        return {host: Target.of(self.inventory.hosts[host]) for host in hosts}

    def digest(self) -> str:
        """A short digest of the inventory file, for logs of what was deployed."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]


def load(path: Path) -> Project:
    """Read and validate everything that needs no connection to a host.

    Raises:
        InputError: has every problem, with its position.
    """
    inventory = resolve_inventory(read_inventory(path))
    return Project(path, inventory, build(inventory))
