"""Findings in each form: what a reader of it needs is there and escaped as it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator

from provision.checks.lint.formats import Format, show
from provision.checks.lint.registry import Finding, Hit, LintRule
from provision.core.errors import Position, Problem


def _nothing(_subject: object) -> Iterator[Hit]:
    yield from ()


RULE = LintRule("two-masters", "error", "Two masters", "both hold it", "RFC 5798", _nothing)
FOUND = Finding(
    "error",
    Problem(Position("a b.yml", 3, 7), "two-masters", "100% of\x1b it: no", "both hold it", "fix"),
)


def test_text_is_a_line_each_and_the_counts() -> None:
    """Control characters are made visible."""
    lines = show([RULE], [FOUND], Format.TEXT).splitlines()
    assert lines == [
        "error: a b.yml:3:7: two-masters: 100% of\\u001b it: no; both hold it; fix",
        "1 rules, 1 findings.",
    ]


def test_github_escapes_what_would_end_the_command() -> None:
    """A percent sign in the message; the line has no count behind it."""
    expected = "::error file=a b.yml,line=3,col=7,title=two-masters::100%25 of\\u001b it: no; both hold it; fix\n"
    assert show([RULE], [FOUND], Format.GITHUB) == expected
    assert show([RULE], [], Format.GITHUB) == ""


def test_sarif_names_the_rule_and_the_place() -> None:
    """The keys that code scanning requires; the path is a URI."""
    log = json.loads(show([RULE], [FOUND], Format.SARIF))
    (run,) = log["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["rules"][0]["id"] == result["ruleId"] == "two-masters"
    assert place["artifactLocation"]["uri"] == "a%20b.yml"
    assert place["region"] == {"startLine": 3, "startColumn": 7}
    assert result["level"] == "error"


def test_json_says_whether_all_is_well() -> None:
    """A warning alone is well."""
    assert json.loads(show([RULE], [FOUND], Format.JSON))["ok"] is False
    warning = Finding("warning", FOUND.problem)
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
