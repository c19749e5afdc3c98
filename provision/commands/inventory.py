"""`hactl inventory`: Ansible's dynamic-inventory JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from provision.commands.options import (
    InventoryPath,
    inventory_path,
)
from provision.core.errors import UsageError
from provision.core.terminal import print_json
from provision.inventory.reader import read_inventory


def command(
    inventory: InventoryPath = None,
    list_all: Annotated[bool, typer.Option("--list", help="Print all groups and hosts.")] = False,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Print the variables of this host.")
    ] = "",
) -> None:
    """Print the inventory as Ansible's dynamic-inventory JSON."""
    if list_all == bool(host):
        raise UsageError("inventory: give either --list or --host NAME")
    contents = read_inventory(inventory_path(inventory))
    if host and host not in contents.hosts:
        raise UsageError(
            f"inventory: {contents.path} has no host {host}",
            f"its hosts are {', '.join(contents.hosts)}",
        )
    print_json(contents.host_to_ansible(host) if host else contents.to_ansible())
