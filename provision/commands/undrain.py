"""`hactl undrain`: return a drained host to service."""

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
    """Return a host to service.

    Raises:
        HostError: a director does not carry the command out.
    """
    console = Console()
    with Drain(project, host, lab, console) as job:
        job.request("undrain")
    console.done()
    result = document(host, job.kind, False) | job.coverage.json()
    print_json(result) if json else print(f"{host}: in service")
    return Exit.OK


def command(
    host: Host, inventory: InventoryPath = None, json: Json = False, lab: Lab = False
) -> None:
    """Return a drained host to service."""
    raise typer.Exit(undrain(load(inventory), host, json=json, lab=lab))
