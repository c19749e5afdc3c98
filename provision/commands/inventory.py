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
    list_all: Annotated[bool, typer.Option("--list", help="All groups and hosts.")] = False,
    host: Annotated[str, typer.Option(help="The variables of one host.")] = "",
) -> None:
    """Print Ansible's dynamic-inventory JSON."""

    if list_all == bool(host):
        raise UsageError("inventory: give either --list or --host NAME")
    read = read_inventory(inventory_path(inventory))
    if host and host not in read.hosts:
        raise UsageError(
            f"inventory: no host {host} in {read.path}", f"it has {', '.join(read.hosts)}"
        )
    print_json(read.host_to_ansible(host) if host else read.to_ansible())
