"""`hactl undrain`: give a drained host its work back."""

from __future__ import annotations

import typer

from provision.commands.drain import Drain, document
from provision.commands.options import (
    Host,
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit
from provision.core.events import Console
from provision.core.terminal import print_json
from provision.deploy.project import Project


def undrain(project: Project, host: str, *, json: bool, lab: bool) -> Exit:
    """Give a host its work back.

    Raises:
        HostError: a director cannot be told.
    """
    console = Console()
    with Drain(project, host, lab, console) as work:
        work.tell("undrain")
    console.done()
    result = document(host, work.kind, False) | work.coverage.json()
    print_json(result) if json else print(f"{host}: in service")
    return Exit.OK


def command(
    host: Host, inventory: InventoryPath = None, json: Json = False, lab: Lab = False
) -> None:
    """Give a drained host its work back."""
    raise typer.Exit(undrain(load(inventory), host, json=json, lab=lab))
