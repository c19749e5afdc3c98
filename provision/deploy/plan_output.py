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
"""The lines that are shown of a file's diff; `hactl render` shows the whole file."""

OUTCOMES = {"changed": YELLOW, "unchanged": GREEN, "skipped": DIM}


def plan_json(plans: Mapping[str, HostPlan], coverage: Coverage) -> dict[str, Any]:
    """The document of `plan --json`, with unmanaged items, drains and unknown files, if any.

    `changes` counts the changes of the hosts that were seen. It is null if these hosts have none
    and other hosts were not seen.
    """
    hosts = {host: [change.json() for change in plan.changes] for host, plan in plans.items()}
    left_alone = {host: list(plan.left_alone) for host, plan in plans.items() if plan.left_alone}
    unknown = {host: list(plan.unknown) for host, plan in plans.items() if plan.unknown}
    notes = {"left_alone": left_alone, "drained": drains(plans), "not_compared": unknown}
    return {
        "changes": coverage.known(sum(map(len, hosts.values()))),
        "hosts": hosts,
        **coverage.json(),
        **{key: value for key, value in notes.items() if value},
    }


def plan_lines(plans: Mapping[str, HostPlan], coverage: Coverage) -> Iterator[Line]:
    """The plan: each set of hosts with the changes that exactly these hosts share, then counts."""
    for hosts, changes in _grouped(plans):
        yield from wrapped(", ".join(hosts), BOLD)
        for change in changes:
            yield _headline(change), COLOURS[change.action]
            yield from _diff_lines(change)
        yield "", ""
    notes = [
        *_not_compared_lines(plans),
        *_left_alone_lines(plans),
        *(f"{host} is drained ({operator})" for host, operator in drains(plans).items()),
    ]
    yield from ((note, DIM) for note in notes)
    if notes:
        yield "", ""
    yield plan_counts(plans, coverage), BOLD


def drains(plans: Mapping[str, HostPlan]) -> dict[str, str]:
    """The drained hosts, with the operator and the time of the drain.

    A director knows its own drain and the drains of its real servers.
    """
    operators: dict[str, str] = {}
    for host, plan in plans.items():
        for name, operator in plan.observed.drained.items():
            operators[host if name == "." else name] = operator
    return operators


def _left_alone_lines(plans: Mapping[str, HostPlan]) -> Iterator[str]:
    """The items that the inventory does not mention; hosts with the same item share a line."""
    hosts_by_text = _hosts_by_text({host: plan.left_alone for host, plan in plans.items()})
    for text, hosts in hosts_by_text.items():
        yield f"left alone on {', '.join(hosts)}: {text}"


def _not_compared_lines(plans: Mapping[str, HostPlan]) -> Iterator[str]:
    """The files whose content this machine does not know; hosts with the same file share a line."""
    hosts_by_file = _hosts_by_text({host: plan.unknown for host, plan in plans.items()})
    for name, hosts in hosts_by_file.items():
        yield f"not compared on {', '.join(hosts)}: file {name}"


def _hosts_by_text(texts: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    hosts: dict[str, list[str]] = {}
    for host, lines in texts.items():
        for text in lines:
            hosts.setdefault(text, []).append(host)
    return hosts


def _grouped(plans: Mapping[str, HostPlan]) -> list[tuple[tuple[str, ...], list[Change]]]:
    hosts_by_change: dict[Change, list[str]] = {}
    for host, plan in plans.items():
        for change in plan.changes:
            hosts_by_change.setdefault(change, []).append(host)
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change, hosts in hosts_by_change.items():
        groups.setdefault(tuple(hosts), []).append(change)
    return list(groups.items())


def _headline(change: Change) -> str:
    text = f"  {SIGNS[change.action]} {change.kind:<8} {change.name}"
    detail = f"  {change.detail}" if change.detail else ""
    return text + detail if len(text + detail) <= WIDTH else f"{text}\n{' ' * 13}{detail.strip()}"


def _diff_lines(change: Change) -> Iterator[Line]:
    # The diff of a new file needs no line numbers.
    lines = change.diff[1:] if change.action == "create" else change.diff
    for text in lines[:DIFF_LINES]:
        yield f"      {text}", COLOURS.get(text[:1], "")
    if len(lines) > DIFF_LINES:
        yield (
            f"      … {len(lines) - DIFF_LINES} more lines; `hactl render` shows the whole file",
            DIM,
        )


def plan_counts(plans: Mapping[str, HostPlan], coverage: Coverage) -> str:
    """The last line of a plan: counts of changes, of hosts, and of hosts with unknown changes."""
    if coverage.blind:
        return f"Plan: unknown: {coverage.counted()} could be inspected."
    actions = [change.action for plan in plans.values() for change in plan.changes]
    unseen = f"; unknown on {_count(len(coverage.unseen), 'host')}" if coverage.unseen else ""
    if not actions:
        return f"Plan: nothing to do on {_count(len(plans), 'host')}{unseen}."
    counts = ", ".join(
        f"{actions.count(action)} to {action}" for action in SIGNS if action in actions
    )
    changed = sum(1 for plan in plans.values() if plan.changes)
    same = len(plans) - changed
    unchanged = f"; {_count(same, 'host')} unchanged" if same else ""
    return f"Plan: {counts} on {_count(changed, 'host')}{unchanged}{unseen}."


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def results_lines(results: Sequence[HostResult], outside: str = "") -> Iterator[Line]:
    """The results of a deploy: a line for each host, the state of failed hosts, and the counts.

    `outside` is the summary of the check from outside.
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
    yield f"Deploy: {counts}. {_change_count(changed, results)}", BOLD


def _change_count(changed: int, results: Sequence[HostResult]) -> str:
    """The number of changes of the run.

    A host that failed while it applied may not have rolled everything back yet.
    """
    if changed:
        return f"{_count(changed, 'change')} made."
    may_have_changed = any(
        result.outcome == "failed" and result.exit_code == Exit.FAILED for result in results
    )
    return "No change was kept." if may_have_changed else "Nothing changed."


def results_json(ok: bool, results: Sequence[HostResult], outside: str = "") -> dict[str, Any]:
    """The document of `deploy --json`; `outside` is there if not everything was checked."""
    document = {"ok": ok, "hosts": {result.host: result.json() for result in results}}
    return (
        document
        if outside.startswith("checked") or not outside
        else {**document, "outside": outside}
    )
