"""How a rule is written down: one small function, registered with its id, severity, title, reason and source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from provision.core.errors import Position, Problem
from provision.inventory.topology import Topology

Severity = Literal["error", "warning"]
Subject = TypeVar("Subject")


class HasPosition(Protocol):
    """Anything that knows where it was written."""

    @property
    def position(self) -> Position:
        """Its place."""
        ...


Hit = tuple[HasPosition, str, str]
"""Where, what is wrong, what to do about it."""


@dataclass(frozen=True)
class LintRule(Generic[Subject]):
    """A rule over a whole subject. `reason` says why breaking it matters, `source` where that is known from."""

    id: str
    severity: Severity
    title: str
    reason: str
    source: str
    look: Callable[[Subject], Iterator[Hit]]


@dataclass(frozen=True)
class Finding:
    """One breach of a rule, with its place."""

    severity: Severity
    problem: Problem


class Registry(Generic[Subject]):
    """The rules about one kind of subject."""

    def __init__(self) -> None:
        self.rules: list[LintRule[Subject]] = []

    def rule(
        self, id: str, severity: Severity, title: str, reason: str, source: str
    ) -> Callable[[Callable[[Subject], Iterator[Hit]]], Callable[[Subject], Iterator[Hit]]]:
        """Register the decorated function, which yields a Hit for every breach it sees."""

        def register(
            look: Callable[[Subject], Iterator[Hit]],
        ) -> Callable[[Subject], Iterator[Hit]]:
            self.rules.append(LintRule(id, severity, title, reason, source, look))
            return look

        return register

    def findings(self, subject: Subject) -> list[Finding]:
        """All breaches of all rules, errors first, then in the order of the file."""
        found = [
            Finding(rule.severity, Problem(placed.position, rule.id, what, rule.reason, fix))
            for rule in self.rules
            for placed, what, fix in rule.look(subject)
        ]
        return sorted(found, key=lambda finding: (finding.severity, finding.problem.position))


TOPOLOGY: Registry[Topology] = Registry()
RULES = TOPOLOGY.rules
rule = TOPOLOGY.rule
findings = TOPOLOGY.findings
