"""Arguments and options that several commands share, and the search for the inventory file."""

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
    Format,
    typer.Option("--format", help="sarif: for code scanning; github: annotations in a workflow."),
]
Lab = Annotated[
    bool, typer.Option("--lab", help="Log in to the inventory's lab instead of its real hosts.")
]

Limit = Annotated[
    str,
    typer.Option(metavar="HOSTS", help="Only these hosts or groups, separated by commas."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DrillNames = Annotated[
    list[str] | None,
    typer.Option(
        "--drill", metavar="NAME", help="Run only this drill; may be repeated. Default: all."
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write JSON, JUnit and an HTML page to this folder."),
]
Host = Annotated[
    str, typer.Argument(metavar="HOST", help="A real server or a director.", show_default=False)
]
LabHost = Annotated[str, typer.Argument(metavar="HOST", help="A host of the lab.")]
LabInventory = Annotated[
    Path | None,
    typer.Option("--inventory", "-i", metavar="INVENTORY", help="The inventory of the lab."),
]
Topics = Annotated[
    list[str] | None,
    typer.Argument(metavar="TOPIC", help="Default: all topics except internal topics."),
]
Bootstrap = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Bootstrap brokers, separated by commas.")
]
ClientFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A client's properties file: protocol, SASL, TLS, bootstrap.servers."
    ),
]
InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "-i",
        "--inventory",
        metavar="INVENTORY",
        help="Use the cluster of this inventory, over SSH to its brokers.",
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
    """The path of the inventory: the argument, else `HACTL_INVENTORY`, else the default.

    The default is `inventories/lab.yml` in this folder.
    A given name without a file may be the name of an example that hactl ships: then the example is
    the inventory. An example is never the default: its hosts are not the operator's.

    Raises:
        InputError: `inventory-missing`, where no name is given and the default does not exist.
    """
    path = given or _from_environment()
    if path is not None:
        return _shipped_example(path) or path
    default = Path(DEFAULT_INVENTORY)
    if not default.exists():
        problem = Problem(
            Position(DEFAULT_INVENTORY),
            "inventory-missing",
            "no inventory is given, HACTL_INVENTORY is not set, "
            f"and {Path.cwd()} has no {DEFAULT_INVENTORY}",
            "hactl does not guess which hosts to use",
            "name the file, set HACTL_INVENTORY to it, or write an inventory with `hactl init`",
        )
        raise InputError([problem])
    return default


def _from_environment() -> Path | None:
    """The file that `HACTL_INVENTORY` names; None where the variable is unset or empty."""
    name = os.environ.get("HACTL_INVENTORY")
    return Path(name) if name else None


def _shipped_example(path: Path) -> Path | None:
    """The shipped example of this name; None where there is no example, or the path exists here."""
    if path.exists() or path.is_absolute() or path.parent != Path("inventories"):
        return None
    from provision.core.shipped import shipped

    example = shipped("inventories") / path.name
    return example if example.is_file() else None


def note(text: str) -> None:
    """Print a line on standard error."""
    sys.stderr.write(f"{text}\n")


def load(given: Path | None) -> Project:
    """Read and check the inventory.

    Raises:
        InputError: the inventory is missing or wrong.
    """
    from provision.deploy import project

    return project.load(inventory_path(given))
