"""The words that several commands take, and how the inventory is found."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.lint.formats import Format

if TYPE_CHECKING:
    from provision.project import Project

DEFAULT_INVENTORY = "inventories/lab.yml"
InventoryPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="INVENTORY",
        help=f"Inventory file; default: $HACTL_INVENTORY, else {DEFAULT_INVENTORY}.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
LintFormat = Annotated[Format, typer.Option("--format", help="sarif: for code scanning; github: notes in a workflow.")]
Lab = Annotated[bool, typer.Option("--lab", help="Log in to the inventory's lab instead of the hosts it names.")]


def inventory_path(given: Path | None) -> Path:
    """The inventory to work on: the argument, `HACTL_INVENTORY`, `inventories/lab.yml`, else the shipped one."""
    path = given or Path(os.environ.get("HACTL_INVENTORY") or DEFAULT_INVENTORY)
    if given is None and not path.exists() and "HACTL_INVENTORY" not in os.environ:
        from provision.data import shipped

        return shipped("inventories") / "lab.yml"
    return path


def note(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")


def load(given: Path | None) -> Project:
    """The inventory, read and checked. Raises InputError."""
    from provision import project

    return project.load(inventory_path(given))
