"""Registries of lint rules: functions with an id, a severity, a title, a reason and a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from provision.core.errors import Position, Problem
from provision.inventory.topology import Topology

Severity = Literal["error", "warning"]
Subject = TypeVar("Subject")


class HasPosition(Protocol):
    """An object that knows its position in a file."""

    @property
    def position(self) -> Position:
        """The file, line and column."""
        ...


Hit = tuple[HasPosition, str, str]
"""The place of a mistake, the message that describes it, and the fix."""


@dataclass(frozen=True)
class LintRule(Generic[Subject]):
    """A rule over a whole subject.

    `reason` says why a breach matters. `source` names the standard, manual or class behind the
    rule.
    """

    id: str
    severity: Severity
    title: str
    reason: str
    source: str
    check: Callable[[Subject], Iterator[Hit]]


@dataclass(frozen=True)
class Finding:
    """A breach of a rule, with its position."""

    severity: Severity
    problem: Problem


class Registry(Generic[Subject]):
    """The rules about subjects of the same type."""

    def __init__(self) -> None:
        self.rules: list[LintRule[Subject]] = []

    def rule(
        self, id: str, severity: Severity, title: str, reason: str, source: str
    ) -> Callable[[Callable[[Subject], Iterator[Hit]]], Callable[[Subject], Iterator[Hit]]]:
        """Register the decorated function, which yields a Hit for every breach it detects."""

        def register(
            check: Callable[[Subject], Iterator[Hit]],
        ) -> Callable[[Subject], Iterator[Hit]]:
            self.rules.append(LintRule(id, severity, title, reason, source, check))
            return check

        return register

    def findings(self, subject: Subject) -> list[Finding]:
        """Return all breaches of all rules: errors first, then in the order of the file."""
        findings = [
            Finding(rule.severity, Problem(place.position, rule.id, message, rule.reason, fix))
            for rule in self.rules
            for place, message, fix in rule.check(subject)
        ]
        return sorted(findings, key=lambda finding: (finding.severity, finding.problem.position))


TOPOLOGY: Registry[Topology] = Registry()
RULES = TOPOLOGY.rules
rule = TOPOLOGY.rule
findings = TOPOLOGY.findings
