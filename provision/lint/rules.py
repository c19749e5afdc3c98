"""Linting a project: all rules, and the gate that every command passes before it looks at a host."""

from __future__ import annotations

import sys

from provision.errors import Exit, InputError
from provision.lint import pair_rules, service_rules, topology_rules
from provision.lint.registry import RULES, Finding, Rule, findings
from provision.project import Project

__all__ = [
    "RULES",
    "Finding",
    "Rule",
    "check",
    "findings",
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


def report(project: Project, json: bool) -> Exit:
    """Print every finding; exit 3 where one is an error."""
    found = findings(project.topology)
    ok = all(finding.severity != "error" for finding in found)
    if json:
        from provision.show import print_json

        print_json({"ok": ok, "findings": [_json(finding) for finding in found]})
    else:
        for finding in found:
            print(f"{finding.severity}: {finding.problem}")
        print(f"{len(RULES)} rules, {len(found)} findings.")
    return Exit.OK if ok else Exit.INPUT


def _json(finding: Finding) -> dict[str, str | int]:
    problem = finding.problem
    place = problem.position
    return {
        "severity": finding.severity,
        "rule": problem.rule,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "what": problem.what,
        "why": problem.why,
        "fix": problem.fix,
    }
