"""Lint findings as text, JSON, SARIF 2.1.0 (code scanning) and GitHub workflow commands."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from provision.core.errors import plain

if TYPE_CHECKING:
    from provision.checks.lint.registry import Finding, LintRule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Format(StrEnum):
    """The output format of findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def show(rules: Sequence[LintRule[Any]], findings: Sequence[Finding], output_format: Format) -> str:
    """Return the findings in the output format, safe for a terminal; every line is terminated."""
    if output_format is Format.JSON:
        ok = all(finding.severity != "error" for finding in findings)
        return _json_text({"ok": ok, "findings": [as_json(finding) for finding in findings]})
    if output_format is Format.SARIF:
        return _json_text(sarif(rules, findings))
    if output_format is Format.GITHUB:
        return "".join(f"{github(finding)}\n" for finding in findings)
    lines = [plain(f"{finding.severity}: {finding.problem}") for finding in findings]
    lines.append(f"{len(rules)} rules, {len(findings)} findings.")
    return "".join(f"{line}\n" for line in lines)


def _json_text(document: dict[str, Any]) -> str:
    import json

    return plain(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def as_json(finding: Finding) -> dict[str, str | int]:
    """Return the entry of a finding in `--format json`."""
    problem = finding.problem
    position = problem.position
    return {
        "severity": finding.severity,
        "rule": problem.rule,
        "file": position.file,
        "line": position.line,
        "column": position.column,
        "what": problem.what,
        "why": problem.why,
        "fix": problem.fix,
    }


def _message(finding: Finding) -> str:
    problem = finding.problem
    return "; ".join(part for part in (problem.what, problem.why, problem.fix) if part)


def github(finding: Finding) -> str:
    """Return a GitHub workflow command.

    It escapes percent signs and line ends; in properties also colons and commas.
    """

    def escape(text: str, more: str = "") -> str:
        return "".join(f"%{ord(char):02X}" if char in "%\r\n" + more else char for char in text)

    position = finding.problem.position
    properties = {
        "file": position.file,
        "line": position.line,
        "col": position.column,
        "title": finding.problem.rule,
    }
    escaped = ",".join(f"{name}={escape(str(value), ':,')}" for name, value in properties.items())
    return f"::{finding.severity} {escaped}::{plain(escape(_message(finding)))}"


def sarif(rules: Sequence[LintRule[Any]], findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a SARIF log with one run: every checked rule, and every finding with its position."""
    descriptors = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": f"{rule.reason} ({rule.source})"},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in rules
    ]
    driver = {"name": "hactl", "rules": descriptors}
    results = [_sarif_result(finding) for finding in findings]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _sarif_result(finding: Finding) -> dict[str, Any]:
    from urllib.parse import quote

    position = finding.problem.position
    region = {"startLine": position.line, "startColumn": position.column}
    location = {"artifactLocation": {"uri": quote(position.file)}, "region": region}
    return {
        "ruleId": finding.problem.rule,
        "level": finding.severity,
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": location}],
    }
