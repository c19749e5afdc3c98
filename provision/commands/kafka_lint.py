"""`hactl kafka lint`: all rules over the files given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.formats import Format, show
from provision.checks.lint.kafka_files.rules import KAFKA, read
from provision.commands.options import (
    LintFormat,
)
from provision.core.errors import Exit


def report(paths: Iterable[Path], form: Format) -> Exit:
    """Print every finding; exit 3 where one is an error.

    Raises:
        UsageError: a file cannot be read.
    """
    found = KAFKA.findings(read(paths))
    sys.stdout.write(show(KAFKA.rules, found, form))
    return Exit.OK if all(finding.severity != "error" for finding in found) else Exit.INPUT


def command(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="All that belong together.", show_default=False),
    ],
    form: LintFormat = Format.TEXT,
) -> None:
    """Find mistakes in the files of brokers, clients and ZooKeeper, in JAAS files and scripts, looked at together."""
    raise typer.Exit(report(files, form))
