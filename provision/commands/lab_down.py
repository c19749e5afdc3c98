"""`hactl lab down`: remove a lab."""

from __future__ import annotations

from provision.commands.options import (
    InventoryPath,
    inventory_path,
    note,
)
from provision.lab import control


def command(inventory: InventoryPath = None) -> None:
    """Remove the lab.

    Nothing of it stays on this machine, even after a crash."""
    control.down(inventory_path(inventory).stem, note)
