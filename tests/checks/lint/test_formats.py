"""Every output format has the necessary fields, escaped by the rules of the format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from provision.checks.lint.formats import Format, show
from provision.checks.lint.registry import Finding, Hit, LintRule
from provision.core.errors import Position, Problem


def _no_hits(_subject: object) -> Iterator[Hit]:
    yield from ()


RULE = LintRule("two-masters", "error", "Two masters", "both hold it", "RFC 5798", _no_hits)
FINDING = Finding(
    "error",
    Problem(Position("a b.yml", 3, 7), "two-masters", "100% of\x1b it: no", "both hold it", "fix"),
)


def test_text_has_a_line_for_every_finding_and_the_counts() -> None:
    """Control characters are visible."""
    lines = show([RULE], [FINDING], Format.TEXT).splitlines()
    assert lines == [
        "error: a b.yml:3:7: two-masters: 100% of\\u001b it: no; both hold it; fix",
        "1 rules, 1 findings.",
    ]


def test_github_commands_are_escaped() -> None:
    """The message has a percent sign. There is no line with counts."""
    expected = (
        "::error file=a b.yml,line=3,col=7,title=two-masters::"
        "100%25 of\\u001b it: no; both hold it; fix\n"
    )
    assert show([RULE], [FINDING], Format.GITHUB) == expected
    assert show([RULE], [], Format.GITHUB) == ""


def test_sarif_has_the_rule_and_the_position() -> None:
    """The keys that code scanning requires; the path is a URI."""
    log = json.loads(show([RULE], [FINDING], Format.SARIF))
    (run,) = log["runs"]
    (result,) = run["results"]
    location = result["locations"][0]["physicalLocation"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][0]["id"] == result["ruleId"] == "two-masters"
    assert location["artifactLocation"]["uri"] == "a%20b.yml"
    assert location["region"] == {"startLine": 3, "startColumn": 7}
    assert result["level"] == "error"


def test_json_is_ok_without_errors() -> None:
    """Warnings do not count."""
    assert json.loads(show([RULE], [FINDING], Format.JSON))["ok"] is False
    warning = Finding("warning", FINDING.problem)
    assert json.loads(show([RULE], [warning], Format.JSON)) == {
        "ok": True,
        "findings": [
            {
                "severity": "warning",
                "rule": "two-masters",
                "file": "a b.yml",
                "line": 3,
                "column": 7,
            }
            | {"what": "100% of\x1b it: no", "why": "both hold it", "fix": "fix"}
        ],
    }
