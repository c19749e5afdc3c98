"""The plan and the results of a deploy, as text of at most 80 columns and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provision.core.coverage import Coverage
from provision.core.errors import Exit
from provision.core.terminal import (
    BOLD,
    COLOURS,
    DIM,
    GREEN,
    RED,
    SIGNS,
    WIDTH,
    YELLOW,
    Line,
    wrapped,
)
from provision.deploy.plan import Change, HostPlan
from provision.deploy.results import HostResult

DIFF_LINES = 60
"""Lines shown of one file's diff; `hactl render` shows the whole file."""

OUTCOMES = {"changed": YELLOW, "unchanged": GREEN, "skipped": DIM}


def plan_json(plans: Mapping[str, HostPlan], coverage: Coverage) -> dict[str, Any]:
    """The document of `plan --json`; what was left alone and who is drained is in it where there is any.

    `changes` counts those of the hosts that were seen; it is null where these have none and others were not seen.
    """
    hosts = {host: [change.json() for change in plan.changes] for host, plan in plans.items()}
    alone = {host: list(plan.left_alone) for host, plan in plans.items() if plan.left_alone}
    unknown = {host: list(plan.unknown) for host, plan in plans.items() if plan.unknown}
    more = {"left_alone": alone, "drained": drains(plans), "not_compared": unknown}
    return {
        "changes": coverage.known(sum(map(len, hosts.values()))),
        "hosts": hosts,
        **coverage.json(),
        **{key: value for key, value in more.items() if value},
    }


def plan_lines(plans: Mapping[str, HostPlan], coverage: Coverage) -> Iterator[Line]:
    """The plan: each set of hosts with the changes that exactly those hosts share, then the counts."""
    for hosts, changes in _grouped(plans):
        yield from wrapped(", ".join(hosts), BOLD)
        for change in changes:
            yield _headline(change), COLOURS[change.action]
            yield from _diff_lines(change)
        yield "", ""
    notes = [
        *_not_compared_lines(plans),
        *_left_alone_lines(plans),
        *(f"{name} is drained ({by})" for name, by in drains(plans).items()),
    ]
    yield from ((note, DIM) for note in notes)
    if notes:
        yield "", ""
    yield plan_counts(plans, coverage), BOLD


def drains(plans: Mapping[str, HostPlan]) -> dict[str, str]:
    """Who is drained, and by whom since when: real servers as their directors have it, directors as they say."""
    found: dict[str, str] = {}
    for host, plan in plans.items():
        found |= {host if name == "." else name: by for name, by in plan.observed.drained.items()}
    return found


def _left_alone_lines(plans: Mapping[str, HostPlan]) -> Iterator[str]:
    """What is nobody's by the inventory, hosts that have the same in one line."""
    owners = _owners({host: plan.left_alone for host, plan in plans.items()})
    yield from (f"left alone on {', '.join(hosts)}: {text}" for text, hosts in owners.items())


def _not_compared_lines(plans: Mapping[str, HostPlan]) -> Iterator[str]:
    """The files of which this machine does not know the content, hosts that have the same in one line."""
    owners = _owners({host: plan.unknown for host, plan in plans.items()})
    yield from (
        f"not compared on {', '.join(hosts)}: file {name}" for name, hosts in owners.items()
    )


def _owners(texts: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The hosts by text."""
    owners: dict[str, list[str]] = {}
    for host, own in texts.items():
        for text in own:
            owners.setdefault(text, []).append(host)
    return owners


def _grouped(plans: Mapping[str, HostPlan]) -> list[tuple[tuple[str, ...], list[Change]]]:
    owners: dict[Change, list[str]] = {}
    for host, plan in plans.items():
        for change in plan.changes:
            owners.setdefault(change, []).append(host)
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change, hosts in owners.items():
        groups.setdefault(tuple(hosts), []).append(change)
    return list(groups.items())


def _headline(change: Change) -> str:
    text = f"  {SIGNS[change.action]} {change.kind:<8} {change.name}"
    detail = f"  {change.detail}" if change.detail else ""
    return text + detail if len(text + detail) <= WIDTH else f"{text}\n{' ' * 13}{detail.strip()}"


def _diff_lines(change: Change) -> Iterator[Line]:
    lines = (
        change.diff[1:] if change.action == "create" else change.diff
    )  # a new file needs no line numbers
    for text in lines[:DIFF_LINES]:
        yield f"      {text}", COLOURS.get(text[:1], "")
    if len(lines) > DIFF_LINES:
        yield (
            f"      … {len(lines) - DIFF_LINES} more lines; `hactl render` shows the whole file",
            DIM,
        )


def plan_counts(plans: Mapping[str, HostPlan], coverage: Coverage) -> str:
    """How much there is to do, on how many hosts, and on how many that is not known: the last line of a plan."""
    if coverage.blind:
        return f"Plan: unknown: {coverage.counted()} could be looked at."
    actions = [change.action for plan in plans.values() for change in plan.changes]
    dark = f"; unknown on {_many(len(coverage.unseen), 'host')}" if coverage.unseen else ""
    if not actions:
        return f"Plan: nothing to do on {_many(len(plans), 'host')}{dark}."
    counts = ", ".join(
        f"{actions.count(action)} to {action}" for action in SIGNS if action in actions
    )
    touched = sum(1 for plan in plans.values() if plan.changes)
    same = len(plans) - touched
    rest = f"; {_many(same, 'host')} unchanged" if same else ""
    return f"Plan: {counts} on {_many(touched, 'host')}{rest}{dark}."


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def results_lines(results: Sequence[HostResult], outside: str = "") -> Iterator[Line]:
    """The outcome of a deploy: a line a host, the state of each that did not end as intended, the counts.

    `outside` says what became of the check from outside.
    """
    width = max((len(result.host) for result in results), default=0)
    for result in results:
        figures = f"{result.changes:>3} changes  {result.execs} execs  {result.seconds:6.2f} s"
        yield (
            f"{result.host:<{width}}  {result.outcome:<11} {figures}",
            OUTCOMES.get(result.outcome, RED),
        )
        if result.message:
            yield from ((f"{' ' * width}  {line}", "") for line in result.message.splitlines())
    outcomes = [result.outcome for result in results]
    counts = ", ".join(
        f"{outcomes.count(kind)} {kind.replace('_', ' ')}" for kind in dict.fromkeys(outcomes)
    )
    changed = sum(result.changes for result in results)
    if outside:
        yield (
            outside[:1].upper() + outside[1:] + ".",
            "" if outside.startswith("checked") else YELLOW,
        )
    yield f"Deploy: {counts}. {_made(changed, results)}", BOLD


def _made(changed: int, results: Sequence[HostResult]) -> str:
    """What the run changed in all; a host that failed while it applied may not have taken everything back yet."""
    if changed:
        return f"{_many(changed, 'change')} made."
    begun = any(
        result.outcome == "failed" and result.exit_code == Exit.FAILED for result in results
    )
    return "No change was kept." if begun else "Nothing changed."


def results_json(ok: bool, results: Sequence[HostResult], outside: str = "") -> dict[str, Any]:
    """The document of `deploy --json`; `outside` is in it where not all could be checked from outside."""
    document = {"ok": ok, "hosts": {result.host: result.json() for result in results}}
    return (
        document
        if outside.startswith("checked") or not outside
        else {**document, "outside": outside}
    )
