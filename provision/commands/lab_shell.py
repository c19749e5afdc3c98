"""`hactl lab shell`: a shell on a lab host, or one command there."""

from __future__ import annotations

from typing import Annotated

import typer

from provision.commands.options import (
    LabHost,
    LabInventory,
    inventory_path,
)
from provision.lab import control

CONTEXT_SETTINGS = {"allow_interspersed_args": False}
"""What follows the host is the command there, options included."""


def command(
    host: LabHost,
    command: Annotated[
        list[str] | None, typer.Argument(help="A command instead of a shell.")
    ] = None,
    inventory: LabInventory = None,
) -> None:
    """Open a shell on a lab host, or run one command there."""

    words = command or []
    raise typer.Exit(
        control.shell(
            inventory_path(inventory).stem, host, words[1:] if words[:1] == ["--"] else words
        )
    )
