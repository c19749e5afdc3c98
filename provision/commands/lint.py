"""`hactl lint`: find mistakes in an inventory."""

from __future__ import annotations

import typer

from provision.checks.lint.formats import Format
from provision.checks.lint.rules import report
from provision.commands.options import (
    InventoryPath,
    Json,
    LintFormat,
    load,
)


def command(
    inventory: InventoryPath = None, json: Json = False, form: LintFormat = Format.TEXT
) -> None:
    """Find mistakes in an inventory before any host sees them.

    It also finds mistakes that no parser on a single host can see."""
    raise typer.Exit(report(load(inventory), Format.JSON if json else form))
