"""`hactl kafka lint`: all rules over the files given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from provision.checks.lint.formats import Format, show
from provision.checks.lint.kafka_files import (
    broker_rules,
    cleanup_rules,
    jaas_rules,
    login_rules,
    script_rules,
    zookeeper_rules,
)
from provision.checks.lint.kafka_files.registry import KAFKA, read
from provision.core.errors import Exit

__all__ = [
    "broker_rules",
    "cleanup_rules",
    "jaas_rules",
    "login_rules",
    "report",
    "script_rules",
    "zookeeper_rules",
]


def report(paths: Iterable[Path], form: Format) -> Exit:
    """Print every finding; exit 3 where one is an error.

    Raises:
        UsageError: a file cannot be read.
    """
    found = KAFKA.findings(read(paths))
    sys.stdout.write(show(KAFKA.rules, found, form))
    return Exit.OK if all(finding.severity != "error" for finding in found) else Exit.INPUT
