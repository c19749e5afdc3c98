"""`hactl lab boot`: give a lab host its power back."""

from __future__ import annotations

from provision.commands.options import (
    LabHost,
    LabInventory,
    inventory_path,
    note,
)
from provision.lab import control


def command(
    host: LabHost,
    inventory: LabInventory = None,
) -> None:
    """Give a lab host its power back.

    The host boots again."""
    control.boot(inventory_path(inventory).stem, host, note)
