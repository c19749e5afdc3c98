"""`hactl kafka lint`: apply all rules to the given files."""

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
    """Print every finding; returns 3 where a finding is an error.

    Raises:
        UsageError: a file cannot be read.
    """
    findings = KAFKA.findings(read(paths))
    sys.stdout.write(show(KAFKA.rules, findings, form))
    return Exit.OK if all(finding.severity != "error" for finding in findings) else Exit.INPUT


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="All files of the cluster, together.", show_default=False
        ),
    ],
    form: LintFormat = Format.TEXT,
) -> None:
    """Find mistakes in files of brokers, clients and ZooKeeper.

    JAAS files and start scripts may be among the files. The rules check all files
    together. Exit 0 without an error, 3 with an error."""
    raise typer.Exit(report(files, form))
