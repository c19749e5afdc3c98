"""`hactl history`: list the confirmed deploys of each host."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import typer

from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Limit,
    load,
)
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.terminal import BOLD, COLOURS, DIM, RED, Line, Screen, print_json, shortened
from provision.deploy.inspection import Inspection, not_ready
from provision.deploy.project import Project
from provision.hosts.agent.generations import (
    Generation,
    GenerationLog,
    RecordedChange,
    open_generation_log,
)
from provision.hosts.parallel import run_parallel
from provision.hosts.ssh import connect
from provision.hosts.target import Target

MARK = {"create": "+", "update": "~", "remove": "-"}


def history(project: Project, *, host: str, diff: int | None, json: bool, lab: bool) -> Exit:
    """List the generations of every host, or show the changes of generation `diff`.

    Raises:
        UsageError: all hosts answered, and no host has the generation `diff`.
        HactlError: a host does not answer; the other hosts are shown first.
    """
    with open_logs(project.targets(project.managed(host), lab)) as (logs, reading):
        coverage = reading.coverage
        if diff is not None:
            shown = _of_number(logs, diff, coverage)
            lines = (*diff_lines(shown), *_unseen_lines(diff, shown, coverage))
        else:
            shown = {name: log.generations for name, log in logs.items()}
            lines = (*table_lines(shown, coverage),)
        document = _json(shown, diffs=diff is not None) | coverage.json()
        print_json(document) if json else Screen().show(lines)
    reading.raise_failures()
    return Exit.OK


@contextmanager
def open_logs(
    targets: Mapping[str, Target],
) -> Iterator[tuple[dict[str, GenerationLog], Inspection]]:
    """The logs of all targets, read in parallel and still open; the inspection has the failures."""
    logs: dict[str, GenerationLog] = {}
    reading = Inspection(seconds=dict.fromkeys(targets, 0.0), hosts=tuple(targets))
    with ExitStack() as stack:

        def read(target: Target) -> None:
            try:
                session = stack.enter_context(connect(target))
                logs[target.host] = stack.enter_context(open_generation_log(session))
            except HactlError as error:
                reading.failures[target.host] = not_ready(error)

        run_parallel(read, targets.values())
        yield {host: logs[host] for host in targets if host in logs}, reading


def _of_number(
    logs: Mapping[str, GenerationLog], number: int, coverage: Coverage
) -> dict[str, tuple[Generation, ...]]:
    """The generations with this number, for the hosts that have any.

    Raises:
        UsageError: all hosts answered, and no host has it.
    """
    by_host = {
        host: tuple(generation for generation in log.generations if generation.number == number)
        for host, log in logs.items()
    }
    shown = {host: generations for host, generations in by_host.items() if generations}
    if not shown and not coverage.unseen:
        raise no_such_generation(number)
    return shown


def _unseen_lines(number: int, shown: Container[str], coverage: Coverage) -> Iterator[Line]:
    """A line with the hosts that lack the generation, and a line for each silent host."""
    without = [host for host in coverage.seen if host not in shown]
    if coverage.unseen and without:
        yield f"{', '.join(without)}: no generation {number}", DIM
    for host in coverage.unseen:
        yield f"{host}: did not answer; whether it has a generation {number} is unknown", RED


def no_such_generation(number: int) -> UsageError:
    """The error for a generation that no host has."""
    return UsageError(f"no host has a generation {number}", "hactl history lists them")


def table_lines(
    by_host: Mapping[str, tuple[Generation, ...]], coverage: Coverage
) -> Iterator[Line]:
    """A table of at most 80 columns, newest generation first.

    `*` marks the present generation of a host, `?` a host that did not answer.
    """
    width = min(max((len(host) for host in (*by_host, *coverage.unseen)), default=4), 14)
    yield (
        f"{'HOST':<{width}}   GEN  {'CONFIRMED (UTC)':<16}  {'BY':<12}  {'INVENTORY':<12}  CHANGES",
        BOLD,
    )
    for host, generations in by_host.items():
        if not generations:
            yield f"{shortened(host, width):<{width}}     -  no deploy was ever confirmed here", DIM
        for generation in reversed(generations):
            mark = "*" if generation is generations[-1] else " "
            when, who = generation.when[:16].replace("T", " "), shortened(generation.who, 12)
            digest = shortened(generation.digest, 12)
            start = f"{shortened(host, width):<{width}}  {generation.number:>4}{mark}"
            line = f"{start} {when:<16}  {who:<12}  {digest:<12}  {generation.counts}"
            yield line.rstrip(), ""
            if generation.note:
                yield f"{' ' * width}         {generation.note}", DIM
    for host in coverage.unseen:
        yield f"{shortened(host, width):<{width}}     ?  unknown: the host did not answer", RED


def diff_lines(shown: Mapping[str, tuple[Generation, ...]]) -> Iterator[Line]:
    """The changes of a generation on each host; the plan masked their secrets."""
    for host, generations in shown.items():
        for generation in generations:
            note = f" ({generation.note})" if generation.note else ""
            confirmed = f"{generation.when} by {generation.who}"
            yield f"{host}: generation {generation.number}{note}, {confirmed}", BOLD
            for change in generation.changes:
                yield from _change_lines(change)


def _change_lines(change: RecordedChange) -> Iterator[Line]:
    yield (
        f"  {MARK[change.action]} {change.kind:<8} {change.name}  {change.detail}".rstrip(),
        COLOURS[change.action],
    )
    for text in change.diff:
        yield f"      {text}", COLOURS.get(text[:1], "")


def _json(by_host: Mapping[str, tuple[Generation, ...]], *, diffs: bool = False) -> dict[str, Any]:
    return {
        "hosts": {
            host: [
                _entry(generation, generation is generations[-1], diffs)
                for generation in generations
            ]
            for host, generations in by_host.items()
        }
    }


def _entry(generation: Generation, current: bool, diffs: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "generation": generation.number,
        "when": generation.when,
        "who": generation.who,
        "inventory": generation.digest,
        "note": generation.note,
    }
    actions = [change.action for change in generation.changes]
    entry["changes"] = {action: actions.count(action) for action in MARK}
    if not diffs:
        return {**entry, "current": current}
    rows = [
        {
            "kind": change.kind,
            "name": change.name,
            "action": change.action,
            "detail": change.detail,
            "diff": list(change.diff),
        }
        for change in generation.changes
    ]
    return {**entry, "made": rows}


def command(
    inventory: InventoryPath = None,
    host: Limit = "",
    diff: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Show the changes of generation N.")
    ] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """List the confirmed deploys of each host.

    Each line has the time, the operator and the digest of the inventory."""
    raise typer.Exit(history(load(inventory), host=host, diff=diff, json=json, lab=lab))
