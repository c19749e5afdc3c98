"""`hactl lint`: mistakes that no single host's parser can see."""

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
    """Find mistakes that no single host's parser can see."""
    raise typer.Exit(report(load(inventory), Format.JSON if json else form))
