"""`hactl lab down`: take a lab away."""

from __future__ import annotations

from provision.commands.options import (
    InventoryPath,
    inventory_path,
    note,
)
from provision.lab import control


def command(inventory: InventoryPath = None) -> None:
    """Take the lab away.

    Nothing of it stays on this machine, also after a crash."""

    control.down(inventory_path(inventory).stem, note)
