"""`hactl lab up`: boot every host of an inventory in a lab."""

from __future__ import annotations

from collections.abc import Callable

from provision.commands.options import (
    InventoryPath,
    load,
)
from provision.core.errors import LabError
from provision.core.events import Console
from provision.deploy.project import Project


def lab_up(project: Project) -> None:
    """Boot every host of the inventory in a lab of its own.

    Raises:
        LabError: a host has no literal address, or the machine cannot carry the lab.
    """
    from provision.lab.control import up
    from provision.lab.plan import LabSpec

    spec = LabSpec.of(project.lab_name, lab_hosts(project))
    collect_jars(project, Console().note)
    up(spec, Console().note)


def collect_jars(project: Project, say: Callable[[str], None]) -> None:
    """Put Kafka's jars where the lab's nodes see them, if that is where the inventory says that they are.

    Raises:
        LabError: Maven Central cannot be asked, or it is no version whose jars are known.
    """
    from provision.desired.kafka_distribution import collect
    from provision.lab.command_lines import SHARE
    from provision.lab.layout import cache_root

    model = project.topology.kafka.model if project.topology.kafka else None
    if model and model.distribution.jars == f"{SHARE}/kafka/{model.version}":
        collect(model.version, cache_root() / "share" / "kafka", say)


def lab_hosts(project: Project) -> list[tuple[str, str, bool]]:
    """The hosts of the inventory for its lab: name, address, whether it is a director.

    Raises:
        LabError: a host has no literal address.
    """
    directors, addresses = set(project.topology.directors()), project.topology.addresses()
    unknown = [name for name in project.inventory.hosts if name not in addresses]
    if unknown:
        what = f"the address of {', '.join(unknown)} is not known: the lab asks no name server"
        raise LabError(what, "give each a literal `ansible_host`, or an `address` beside it")
    return [(name, address, name in directors) for name, address in addresses.items()]


def command(inventory: InventoryPath = None) -> None:
    """Boot every host of the inventory. Needs root."""

    lab_up(load(inventory))
