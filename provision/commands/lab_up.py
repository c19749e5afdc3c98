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
    """Boot every host of the inventory in a lab.

    Raises:
        LabError: a host has no literal address, or the machine is too small for the lab.
    """
    from provision.lab.control import up
    from provision.lab.plan import LabSpec

    spec = LabSpec.of(project.lab_name, lab_hosts(project))
    collect_jars(project, Console().note)
    up(spec, Console().note)


def collect_jars(project: Project, log: Callable[[str], None]) -> None:
    """Download Kafka's jars to the lab's shared folder, if the inventory names that folder.

    Raises:
        LabError: Maven Central does not answer, or the jars of the version are not known.
    """
    from provision.desired.kafka_distribution import collect
    from provision.lab.command_lines import SHARE
    from provision.lab.layout import cache_root

    model = project.topology.kafka.model if project.topology.kafka else None
    if model and model.distribution.jars == f"{SHARE}/kafka/{model.version}":
        collect(model.version, cache_root() / "share" / "kafka", log)


def lab_hosts(project: Project) -> list[tuple[str, str, bool]]:
    """The hosts of the inventory for its lab: name, address, and whether the host is a director.

    Raises:
        LabError: a host has no literal address.
    """
    directors, addresses = set(project.topology.directors()), project.topology.addresses()
    unknown = [name for name in project.inventory.hosts if name not in addresses]
    if unknown:
        message = f"the address of {', '.join(unknown)} is unknown: the lab asks no name server"
        raise LabError(
            message, "give each host a literal `ansible_host`, or an `address` beside it"
        )
    return [(name, address, name in directors) for name, address in addresses.items()]


def command(inventory: InventoryPath = None) -> None:
    """Boot every host of the inventory.

    Needs root."""
    lab_up(load(inventory))
