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
"""The words after the host are the command on the host, options included."""


def command(
    host: LabHost,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Run this command instead of a shell."),
    ] = None,
    inventory: LabInventory = None,
) -> None:
    """Open a shell on a lab host, or run one command there."""
    words = command or []
    words = words[1:] if words[:1] == ["--"] else words
    raise typer.Exit(control.shell(inventory_path(inventory).stem, host, words))
