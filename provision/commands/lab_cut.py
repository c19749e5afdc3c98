"""`hactl lab cut`: cut the power of a lab host."""

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
    """Cut the power of a lab host.

    The host stops at once; `hactl lab boot` starts it again."""
    control.cut(inventory_path(inventory).stem, host, note)
