"""Linting a project: all rules, and the gate that every command passes before it looks at a host."""

from __future__ import annotations

import sys

from provision.checks.lint import (
    kafka_rules,
    kafka_topic_rules,
    pair_rules,
    service_rules,
    topology_rules,
)
from provision.checks.lint.formats import Format, show
from provision.checks.lint.registry import RULES, Finding, findings
from provision.core.errors import Exit, InputError
from provision.deploy.project import Project

__all__ = [
    "RULES",
    "Finding",
    "check",
    "findings",
    "kafka_rules",
    "kafka_topic_rules",
    "pair_rules",
    "report",
    "service_rules",
    "topology_rules",
]


def check(project: Project) -> None:
    """Print the warnings on standard error.

    Raises:
        InputError: with every breach that is an error.
    """
    found = findings(project.topology)
    errors = [finding.problem for finding in found if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    for finding in found:
        print(f"warning: {finding.problem}", file=sys.stderr)


def report(project: Project, form: Format) -> Exit:
    """Print every finding; exit 3 where one is an error."""
    found = findings(project.topology)
    sys.stdout.write(show(RULES, found, form))
    return Exit.OK if all(finding.severity != "error" for finding in found) else Exit.INPUT
