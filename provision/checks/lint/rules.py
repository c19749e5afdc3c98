"""All rules over a project, and the check that commands run before they connect to a host."""

from __future__ import annotations

import sys

from provision.checks.lint import (
    kafka_rules,
    kafka_tls_rules,
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
    "kafka_tls_rules",
    "kafka_topic_rules",
    "pair_rules",
    "report",
    "service_rules",
    "topology_rules",
]


def check(project: Project) -> None:
    """Print the warnings on standard error.

    Raises:
        InputError: a rule found an error; the exception holds all errors.
    """
    project_findings = findings(project.topology)
    errors = [finding.problem for finding in project_findings if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    for finding in project_findings:
        print(f"warning: {finding.problem}", file=sys.stderr)


def report(project: Project, output_format: Format) -> Exit:
    """Print every finding. Return exit code 3 if a finding is an error."""
    project_findings = findings(project.topology)
    sys.stdout.write(show(RULES, project_findings, output_format))
    ok = all(finding.severity != "error" for finding in project_findings)
    return Exit.OK if ok else Exit.INPUT
