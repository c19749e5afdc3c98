"""The words that several commands take, and how the inventory is found."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provision.checks.lint.formats import Format
from provision.core.errors import InputError, Position, Problem

if TYPE_CHECKING:
    from provision.deploy.project import Project

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
LintFormat = Annotated[
    Format, typer.Option("--format", help="sarif: for code scanning; github: notes in a workflow.")
]
Lab = Annotated[
    bool, typer.Option("--lab", help="Log in to the inventory's lab instead of the hosts it names.")
]

Limit = Annotated[str, typer.Option(help="Only these hosts or groups, separated by commas.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DrillNames = Annotated[
    list[str] | None,
    typer.Option("--drill", metavar="NAME", help="Only this drill; repeat. Default: all."),
]
ReportFolder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write JSON, JUnit and an HTML page here.")
]
Host = Annotated[
    str, typer.Argument(metavar="HOST", help="A real server or a director.", show_default=False)
]
LabHost = Annotated[str, typer.Argument(help="A host of the lab.")]
LabInventory = Annotated[Path | None, typer.Option("--inventory", "-i", help="Whose lab.")]
Topics = Annotated[
    list[str] | None, typer.Argument(metavar="TOPIC...", help="Default: all but internal ones.")
]
Bootstrap = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Brokers to ask first, separated by commas.")
]
ClientFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="The client's properties: protocol, SASL, TLS, bootstrap.servers."
    ),
]
InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "-i", "--inventory", metavar="INVENTORY", help="Its cluster, through SSH to the brokers."
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="Delete everything that is not in the inventory, topics and their data included.",
    ),
]


def inventory_path(given: Path | None) -> Path:
    """The inventory to work on: the argument, else `HACTL_INVENTORY`, else `inventories/lab.yml` in this folder.

    Where no file stands under a name that is given, and an example that comes with hactl is called exactly so, the
    example is meant. It is never taken without being named: nobody's hosts are in it.

    Raises:
        InputError: `inventory-missing`, where nothing is given and there is no such file.
    """
    named = given or _from_environment()
    if named is not None:
        return _shipped_example(named) or named
    default = Path(DEFAULT_INVENTORY)
    if not default.exists():
        what = f"no inventory is given, HACTL_INVENTORY is not set, and {Path.cwd()} has no {DEFAULT_INVENTORY}"
        fix = "name the file, set HACTL_INVENTORY to it, or write one with `hactl init`"
        why = "hactl does not guess which hosts are meant"
        raise InputError(
            [Problem(Position(DEFAULT_INVENTORY), "inventory-missing", what, why, fix)]
        )
    return default


def _from_environment() -> Path | None:
    """The file that `HACTL_INVENTORY` names; None where it is unset or empty."""
    name = os.environ.get("HACTL_INVENTORY")
    return Path(name) if name else None


def _shipped_example(named: Path) -> Path | None:
    """The example of this name that comes with hactl; None where a file of that name is here."""
    if (
        named.exists()
        or named.is_absolute()
        or len(named.parts) != 2
        or named.parent.name != "inventories"
    ):
        return None
    from provision.core.shipped import shipped

    example = shipped("inventories") / named.name
    return example if example.is_file() else None


def note(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")


def load(given: Path | None) -> Project:
    """The inventory, read and checked. Raises InputError."""
    from provision.deploy import project

    return project.load(inventory_path(given))
