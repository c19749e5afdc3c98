"""A cluster's plan and what became of it, in at most 80 columns as a host's, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.core.terminal import BOLD, COLOURS, DIM, GREEN, RED, SIGNS, YELLOW, Line, wrapped
from provision.deploy.change import Change
from provision.kafka.resources.apply import Applied, StepOutcome
from provision.kafka.resources.plan import ClusterPlan, PlanStep

MAX_UNMANAGED_LINES = 10
"""How many lines are shown of what is left alone."""

_COLOURS = {"done": GREEN, "failed": RED, "unknown": RED, "not done": YELLOW}


def plan_lines(cluster: str, plan: ClusterPlan) -> Iterator[Line]:
    """The plan: each step with its diff, what is left alone, the counts."""
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
    for text in plan.left_alone[:MAX_UNMANAGED_LINES]:
        yield from wrapped(f"left alone: {text}", DIM, rest="    ")
    if len(plan.left_alone) > MAX_UNMANAGED_LINES:
        yield f"left alone: {len(plan.left_alone) - MAX_UNMANAGED_LINES} more", DIM
    if plan.left_alone:
        yield "--prune takes away what is left alone", DIM
        yield "", ""
    yield counts(cluster, plan), BOLD


def _head(change: Change) -> str:
    return f"{SIGNS[change.action]} {change.kind:<8} {change.name}  {change.detail}".rstrip()


def counts(cluster: str, plan: ClusterPlan) -> str:
    """How much there is to do: the last line of a plan."""
    actions = [step.change.action for step in plan.steps]
    if not actions:
        return f"Plan: nothing to do on cluster {cluster}."
    said = ", ".join(f"{actions.count(each)} to {each}" for each in SIGNS if each in actions)
    return f"Plan: {said} on cluster {cluster}."


def plan_document(cluster: str, plan: ClusterPlan) -> dict[str, Any]:
    """The plan as JSON; what is left alone is in it where there is any."""
    document: dict[str, Any] = {
        "cluster": cluster,
        "changes": len(plan.steps),
        "resources": [_document(step) for step in plan.steps],
    }
    return document | ({"left_alone": list(plan.left_alone)} if plan.left_alone else {})


def _document(step: PlanStep) -> dict[str, Any]:
    change = step.change
    return {**change.json(), "detail": change.detail, "diff": list(change.diff)}


def applied_lines(cluster: str, applied: Applied) -> Iterator[Line]:
    """What became of each step, where not all are done, and the counts."""
    if not applied.whole:
        width = max(len(each.became) for each in applied.outcomes)
        for each in applied.outcomes:
            head = f"{each.became:<{width}}  {_head(each.step.change)}"
            yield from wrapped(head, _COLOURS[each.became], rest=" " * (width + 2))
            yield from wrapped(_why(each), first=" " * (width + 2), rest=" " * (width + 2))
    became = [each.became for each in applied.outcomes]
    said = (
        ", ".join(f"{became.count(each)} {each}" for each in _COLOURS if each in became)
        or "nothing to do"
    )
    yield f"Cluster {cluster}: {said}.", BOLD
    if not applied.whole:
        yield "Run it again: it goes on from here.", ""


def _why(outcome: StepOutcome) -> str:
    if outcome.became == "unknown":
        return f"{outcome.why}; it may be done or not, the next plan tells"
    return outcome.why


def applied_document(cluster: str, applied: Applied) -> dict[str, Any]:
    """What became of each step as JSON."""
    resources = [
        {**_document(each.step), "became": each.became, **({"why": each.why} if each.why else {})}
        for each in applied.outcomes
    ]
    return {"cluster": cluster, "ok": applied.whole, "resources": resources}
