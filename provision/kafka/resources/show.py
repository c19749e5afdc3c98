"""A cluster's plan and its outcomes, as text of at most 80 columns and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.core.terminal import BOLD, COLOURS, DIM, GREEN, RED, SIGNS, YELLOW, Line, wrapped
from provision.deploy.change import Change
from provision.kafka.resources.apply import Applied, StepOutcome
from provision.kafka.resources.plan import ClusterPlan, PlanStep

MAX_UNMANAGED_LINES = 10
"""Unmanaged resources that a plan lists at most."""

_COLOURS = {"done": GREEN, "failed": RED, "unknown": RED, "not done": YELLOW}


def plan_lines(cluster: str, plan: ClusterPlan) -> Iterator[Line]:
    """Yield the plan: the steps with their diffs, the unmanaged resources, the counts."""
    if plan.steps:
        yield f"cluster {cluster}", BOLD
    for step in plan.steps:
        yield from wrapped(
            _head(step.change), COLOURS[step.change.action], first="  ", rest=" " * 13
        )
        for line in step.change.diff:
            yield from wrapped(line, COLOURS[line[0]], first=" " * 6, rest=" " * 10)
    if plan.steps:
        yield "", ""
    for text in plan.unmanaged[:MAX_UNMANAGED_LINES]:
        yield from wrapped(f"left alone: {text}", DIM, rest="    ")
    if len(plan.unmanaged) > MAX_UNMANAGED_LINES:
        yield f"left alone: {len(plan.unmanaged) - MAX_UNMANAGED_LINES} more", DIM
    if plan.unmanaged:
        yield "--prune deletes these resources", DIM
        yield "", ""
    yield counts(cluster, plan), BOLD


def _head(change: Change) -> str:
    return f"{SIGNS[change.action]} {change.kind:<8} {change.name}  {change.detail}".rstrip()


def counts(cluster: str, plan: ClusterPlan) -> str:
    """Return the last line of a plan: the number of steps by action."""
    actions = [step.change.action for step in plan.steps]
    if not actions:
        return f"Plan: nothing to do on cluster {cluster}."
    counts_text = ", ".join(
        f"{actions.count(action)} to {action}" for action in SIGNS if action in actions
    )
    return f"Plan: {counts_text} on cluster {cluster}."


def plan_document(cluster: str, plan: ClusterPlan) -> dict[str, Any]:
    """Return the plan as JSON; `left_alone` has the unmanaged resources, if any."""
    document: dict[str, Any] = {
        "cluster": cluster,
        "changes": len(plan.steps),
        "resources": [_document(step) for step in plan.steps],
    }
    return document | ({"left_alone": list(plan.unmanaged)} if plan.unmanaged else {})


def _document(step: PlanStep) -> dict[str, Any]:
    change = step.change
    return {**change.json(), "detail": change.detail, "diff": list(change.diff)}


def applied_lines(cluster: str, applied: Applied) -> Iterator[Line]:
    """Yield the result of every step, if not all are done, and the counts."""
    if not applied.complete:
        width = max(len(outcome.result) for outcome in applied.outcomes)
        indent = " " * (width + 2)
        for outcome in applied.outcomes:
            head = f"{outcome.result:<{width}}  {_head(outcome.step.change)}"
            yield from wrapped(head, _COLOURS[outcome.result], rest=indent)
            yield from wrapped(_reason(outcome), first=indent, rest=indent)
    results = [outcome.result for outcome in applied.outcomes]
    counts_text = (
        ", ".join(f"{results.count(kind)} {kind}" for kind in _COLOURS if kind in results)
        or "nothing to do"
    )
    yield f"Cluster {cluster}: {counts_text}.", BOLD
    if not applied.complete:
        yield "Run it again to resume from here.", ""


def _reason(outcome: StepOutcome) -> str:
    if outcome.result == "unknown":
        return f"{outcome.reason}; it may be done or not: the next plan shows it"
    return outcome.reason


def applied_document(cluster: str, applied: Applied) -> dict[str, Any]:
    """Return the result of every step as JSON."""
    resources = [
        {
            **_document(outcome.step),
            "became": outcome.result,
            **({"why": outcome.reason} if outcome.reason else {}),
        }
        for outcome in applied.outcomes
    ]
    return {"cluster": cluster, "ok": applied.complete, "resources": resources}
