"""Findings as text, JSON, SARIF 2.1.0 (for code scanning) and GitHub's workflow commands (notes in a pull request)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from provision.core.errors import plain

if TYPE_CHECKING:
    from provision.checks.lint.registry import Finding, LintRule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def show(rules: Sequence[LintRule[Any]], found: Sequence[Finding], form: Format) -> str:
    """The findings in that form, fit for a terminal, each line with its end."""
    if form is Format.JSON:
        ok = all(finding.severity != "error" for finding in found)
        return _document({"ok": ok, "findings": [as_json(finding) for finding in found]})
    if form is Format.SARIF:
        return _document(sarif(rules, found))
    lines = [
        github(finding) if form is Format.GITHUB else plain(_line(finding)) for finding in found
    ]
    if form is Format.TEXT:
        lines.append(f"{len(rules)} rules, {len(found)} findings.")
    return "".join(f"{line}\n" for line in lines)


def _document(document: dict[str, Any]) -> str:
    import json

    return plain(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def _line(finding: Finding) -> str:
    return f"{finding.severity}: {finding.problem}"


def as_json(finding: Finding) -> dict[str, str | int]:
    """One finding of `--format json`."""
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


def _said(finding: Finding) -> str:
    problem = finding.problem
    return "; ".join(part for part in (problem.what, problem.why, problem.fix) if part)


def github(finding: Finding) -> str:
    """A workflow command; a percent sign, line ends and, in properties, colon and comma are escaped as it asks for."""

    def escaped(text: str, more: str = "") -> str:
        return "".join(f"%{ord(char):02X}" if char in "%\r\n" + more else char for char in text)

    place = finding.problem.position
    properties = {
        "file": place.file,
        "line": place.line,
        "col": place.column,
        "title": finding.problem.rule,
    }
    written = ",".join(f"{name}={escaped(str(value), ':,')}" for name, value in properties.items())
    return f"::{finding.severity} {written}::{plain(escaped(_said(finding)))}"


def sarif(rules: Sequence[LintRule[Any]], found: Sequence[Finding]) -> dict[str, Any]:
    """A SARIF log with one run: every rule that was looked at, every finding with its place."""
    described = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": f"{rule.reason} ({rule.source})"},
            "defaultConfiguration": {"level": rule.severity},
        }
        for rule in rules
    ]
    driver = {"name": "hactl", "rules": described}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": _results(found)}],
    }


def _results(found: Sequence[Finding]) -> list[dict[str, Any]]:
    from urllib.parse import quote

    results = []
    for finding in found:
        place = finding.problem.position
        region = {"startLine": place.line, "startColumn": place.column}
        artifact = {"artifactLocation": {"uri": quote(place.file)}, "region": region}
        results.append(
            {
                "ruleId": finding.problem.rule,
                "level": finding.severity,
                "message": {"text": _said(finding)},
                "locations": [{"physicalLocation": artifact}],
            }
        )
    return results
