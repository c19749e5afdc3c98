"""`hactl history`: the generations that were confirmed on each host."""

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
    """List every host's generations, or show what generation `diff` changed.

    Raises:
        UsageError: all hosts were asked, and none has the generation `diff`.
        HactlError: a host could not be asked; the others are shown first.
    """
    with open_logs(project.targets(project.managed(host), lab)) as (found, asked):
        coverage = asked.coverage
        if diff is not None:
            shown = _of_number(found, diff, coverage)
            lines = (*diff_lines(shown), *_unseen_lines(diff, shown, coverage))
        else:
            shown = {name: chronicle.generations for name, chronicle in found.items()}
            lines = (*table_lines(shown, coverage),)
        document = _json(shown, diffs=diff is not None) | coverage.json()
        print_json(document) if json else Screen().show(lines)
    asked.raise_failures()
    return Exit.OK


@contextmanager
def open_logs(
    targets: Mapping[str, Target],
) -> Iterator[tuple[dict[str, GenerationLog], Inspection]]:
    """The chronicles of all targets, read at once and still open, and what kept others from being read."""
    found: dict[str, GenerationLog] = {}
    asked = Inspection(seconds=dict.fromkeys(targets, 0.0), hosts=tuple(targets))
    with ExitStack() as stack:

        def read(target: Target) -> None:
            try:
                session = stack.enter_context(connect(target))
                found[target.host] = stack.enter_context(open_generation_log(session))
            except HactlError as error:
                asked.failures[target.host] = not_ready(error)

        run_parallel(read, targets.values())
        yield {host: found[host] for host in targets if host in found}, asked


def _of_number(
    found: Mapping[str, GenerationLog], number: int, coverage: Coverage
) -> dict[str, tuple[Generation, ...]]:
    shown = {}
    for host, chronicle in found.items():
        wanted = tuple(
            generation for generation in chronicle.generations if generation.number == number
        )
        if wanted:
            shown[host] = wanted
    if not shown and not coverage.unseen:
        raise no_such_generation(number)
    return shown


def _unseen_lines(number: int, shown: Container[str], coverage: Coverage) -> Iterator[Line]:
    """On which hosts it is not known whether they have a generation, and who of the others has it not."""
    without = [host for host in coverage.seen if host not in shown]
    if coverage.unseen and without:
        yield f"{', '.join(without)}: no generation {number}", DIM
    for host in coverage.unseen:
        yield f"{host}: could not be asked; whether it has a generation {number} is unknown", RED


def no_such_generation(number: int) -> UsageError:
    return UsageError(f"no host has a generation {number}", "hactl history lists them")


def table_lines(kept: Mapping[str, tuple[Generation, ...]], coverage: Coverage) -> Iterator[Line]:
    """A table of at most 80 columns, newest first; `*` marks a host's present generation, `?` one that is unknown."""
    width = min(max((len(host) for host in (*kept, *coverage.unseen)), default=4), 14)
    yield (
        f"{'HOST':<{width}}   GEN  {'CONFIRMED (UTC)':<16}  {'BY':<12}  {'INVENTORY':<12}  CHANGES",
        BOLD,
    )
    for host, generations in kept.items():
        if not generations:
            yield f"{shortened(host, width):<{width}}     -  nothing was ever confirmed here", DIM
        for generation in reversed(generations):
            mark = "*" if generation is generations[-1] else " "
            when, who = generation.when[:16].replace("T", " "), shortened(generation.who, 12)
            line = f"{shortened(host, width):<{width}}  {generation.number:>4}{mark} {when:<16}  {who:<12}"
            yield (
                f"{line}  {shortened(generation.digest, 12):<12}  {generation.counts}".rstrip(),
                "",
            )
            if generation.note:
                yield f"{' ' * width}         {generation.note}", DIM
    for host in coverage.unseen:
        yield f"{shortened(host, width):<{width}}     ?  unknown: the host could not be asked", RED


def diff_lines(shown: Mapping[str, tuple[Generation, ...]]) -> Iterator[Line]:
    """What one generation changed on each host, secrets masked as they were when it was planned."""
    for host, generations in shown.items():
        for generation in generations:
            note = f" ({generation.note})" if generation.note else ""
            yield (
                f"{host}: generation {generation.number}{note}, {generation.when} by {generation.who}",
                BOLD,
            )
            for change in generation.changes:
                yield from _change_lines(change)


def _change_lines(change: RecordedChange) -> Iterator[Line]:
    yield (
        f"  {MARK[change.action]} {change.kind:<8} {change.name}  {change.detail}".rstrip(),
        COLOURS[change.action],
    )
    for text in change.diff:
        yield f"      {text}", COLOURS.get(text[:1], "")


def _json(kept: Mapping[str, tuple[Generation, ...]], *, diffs: bool = False) -> dict[str, Any]:
    return {
        "hosts": {
            host: [
                _entry(generation, generation is generations[-1], diffs)
                for generation in generations
            ]
            for host, generations in kept.items()
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
    made = [
        {"kind": c.kind, "name": c.name, "action": c.action, "detail": c.detail}
        for c in generation.changes
    ]
    return {
        **entry,
        "made": [
            {**row, "diff": list(c.diff)} for row, c in zip(made, generation.changes, strict=True)
        ],
    }


def command(
    inventory: InventoryPath = None,
    host: Limit = "",
    diff: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Show what generation N changed.")
    ] = None,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """List what was confirmed on each host: when, by whom, from which inventory."""
    raise typer.Exit(history(load(inventory), host=host, diff=diff, json=json, lab=lab))
