"""How a rule is written down: one small function, registered with its id, severity, title, reason and source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from provision.errors import Problem
from provision.inventory.source import Node
from provision.inventory.topology import Topology

Severity = Literal["error", "warning"]
Hit = tuple[Node, str, str]
"""Where, what is wrong, what to do about it."""


@dataclass(frozen=True)
class Rule:
    """A rule over a whole topology. `reason` says why breaking it matters, `source` where that is known from."""

    id: str
    severity: Severity
    title: str
    reason: str
    source: str
    look: Callable[[Topology], Iterator[Hit]]


@dataclass(frozen=True)
class Finding:
    """One breach of a rule, with its place."""

    severity: Severity
    problem: Problem


RULES: list[Rule] = []


def rule(
    id: str, severity: Severity, title: str, reason: str, source: str
) -> Callable[[Callable[[Topology], Iterator[Hit]]], Callable[[Topology], Iterator[Hit]]]:
    """Register the decorated function, which yields a Hit for every breach it sees."""

    def register(look: Callable[[Topology], Iterator[Hit]]) -> Callable[[Topology], Iterator[Hit]]:
        RULES.append(Rule(id, severity, title, reason, source, look))
        return look

    return register


def findings(topology: Topology) -> list[Finding]:
    """All breaches of all rules, errors first, then in the order of the file."""
    found = [
        Finding(rule.severity, Problem(node.position, rule.id, what, rule.reason, fix))
        for rule in RULES
        for node, what, fix in rule.look(topology)
    ]
    return sorted(found, key=lambda finding: (finding.severity, finding.problem.position))
