"""`hactl history` and `hactl rollback`: what was confirmed on each host, and back to it."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from provision.commands.deploy import Wanted, push, refuse
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.facts import Facts
from provision.core.terminal import BOLD, COLOURS, DIM, RED, Line, Screen, print_json, shortened
from provision.deploy.inspection import Survey, not_ready
from provision.deploy.project import Project
from provision.desired.items import DesiredHost
from provision.hosts.agent.generations import Chronicle, Generation, Made, open_chronicle
from provision.hosts.parallel import at_once
from provision.hosts.ssh import connect
from provision.hosts.target import Target

MARK = {"create": "+", "update": "~", "remove": "-"}


# ---------------------------------------------------------------------------------------------------- history


def history(project: Project, *, host: str, diff: int | None, json: bool, lab: bool) -> Exit:
    """List every host's generations, or show what generation `diff` changed.

    Raises:
        UsageError: all hosts were asked, and none has the generation `diff`.
        HactlError: a host could not be asked; the others are shown first.
    """
    with _chronicles(project.targets(project.managed(host), lab)) as (found, asked):
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
def _chronicles(targets: Mapping[str, Target]) -> Iterator[tuple[dict[str, Chronicle], Survey]]:
    """The chronicles of all targets, read at once and still open, and what kept others from being read."""
    found: dict[str, Chronicle] = {}
    asked = Survey(seconds=dict.fromkeys(targets, 0.0), hosts=tuple(targets))
    with ExitStack() as stack:

        def read(target: Target) -> None:
            try:
                session = stack.enter_context(connect(target))
                found[target.host] = stack.enter_context(open_chronicle(session))
            except HactlError as error:
                asked.failures[target.host] = not_ready(error)

        at_once(read, targets.values())
        yield {host: found[host] for host in targets if host in found}, asked


def _of_number(found: Mapping[str, Chronicle], number: int, coverage: Coverage) -> dict[str, tuple[Generation, ...]]:
    shown = {}
    for host, chronicle in found.items():
        wanted = tuple(generation for generation in chronicle.generations if generation.number == number)
        if wanted:
            shown[host] = wanted
    if not shown and not coverage.unseen:
        raise _no_such(number)
    return shown


def _unseen_lines(number: int, shown: Container[str], coverage: Coverage) -> Iterator[Line]:
    """On which hosts it is not known whether they have a generation, and who of the others has it not."""
    without = [host for host in coverage.seen if host not in shown]
    if coverage.unseen and without:
        yield f"{', '.join(without)}: no generation {number}", DIM
    for host in coverage.unseen:
        yield f"{host}: could not be asked; whether it has a generation {number} is unknown", RED


def _no_such(number: int) -> UsageError:
    return UsageError(f"no host has a generation {number}", "hactl history lists them")


def table_lines(kept: Mapping[str, tuple[Generation, ...]], coverage: Coverage) -> Iterator[Line]:
    """A table of at most 80 columns, newest first; `*` marks a host's present generation, `?` one that is unknown."""
    width = min(max((len(host) for host in (*kept, *coverage.unseen)), default=4), 14)
    yield f"{'HOST':<{width}}   GEN  {'CONFIRMED (UTC)':<16}  {'BY':<12}  {'INVENTORY':<12}  CHANGES", BOLD
    for host, generations in kept.items():
        if not generations:
            yield f"{shortened(host, width):<{width}}     -  nothing was ever confirmed here", DIM
        for generation in reversed(generations):
            mark = "*" if generation is generations[-1] else " "
            when, who = generation.when[:16].replace("T", " "), shortened(generation.who, 12)
            line = f"{shortened(host, width):<{width}}  {generation.number:>4}{mark} {when:<16}  {who:<12}"
            yield f"{line}  {shortened(generation.digest, 12):<12}  {generation.counts}".rstrip(), ""
            if generation.note:
                yield f"{' ' * width}         {generation.note}", DIM
    for host in coverage.unseen:
        yield f"{shortened(host, width):<{width}}     ?  unknown: the host could not be asked", RED


def diff_lines(shown: Mapping[str, tuple[Generation, ...]]) -> Iterator[Line]:
    """What one generation changed on each host, secrets masked as they were when it was planned."""
    for host, generations in shown.items():
        for generation in generations:
            note = f" ({generation.note})" if generation.note else ""
            yield f"{host}: generation {generation.number}{note}, {generation.when} by {generation.who}", BOLD
            for change in generation.changes:
                yield from _change_lines(change)


def _change_lines(change: Made) -> Iterator[Line]:
    yield f"  {MARK[change.action]} {change.kind:<8} {change.name}  {change.detail}".rstrip(), COLOURS[change.action]
    for text in change.diff:
        yield f"      {text}", COLOURS.get(text[:1], "")


def _json(kept: Mapping[str, tuple[Generation, ...]], *, diffs: bool = False) -> dict[str, Any]:
    return {
        "hosts": {
            host: [_entry(generation, generation is generations[-1], diffs) for generation in generations]
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
    made = [{"kind": c.kind, "name": c.name, "action": c.action, "detail": c.detail} for c in generation.changes]
    return {**entry, "made": [{**row, "diff": list(c.diff)} for row, c in zip(made, generation.changes, strict=True)]}


# ---------------------------------------------------------------------------------------------------- rollback


def rollback(project: Project, *, to: int | None, limit: str, yes: bool, json: bool, lab: bool) -> Exit:
    """Make the hosts again what they were at a generation, on the very way of a deploy: plan, question, rollout order.

    Without `to`, the one before the last run. A last run that was rolled back left nothing to take back.

    Raises:
        UsageError: there is no such generation.
        HactlError: exit 3 where a host goes not back so far; else a host could not be asked. Nothing was changed.
    """
    targets = project.targets(project.managed(limit), lab)
    with _chronicles(targets) as (found, asked):
        if asked.failures:
            return refuse(asked, json)
        number = target_number(found) if to is None else to
        chosen = choose(found, number)
        stored = {host: found[host].desired(generation.number) for host, generation in chosen.items()}
    digest = next((each.digest for each in chosen.values() if each.number == number), _newest(chosen).digest)
    secrets = project.inventory.secrets.union(*(each.secrets for each in stored.values()))

    def render(host: str, _facts: Facts) -> DesiredHost:
        return stored[host].desired

    wanted = Wanted(render, secrets, f"rollback to {number}", digest)
    return push(project, targets, wanted, yes=yes, serial=0, json=json, lab=lab)


def target_number(found: Mapping[str, Chronicle]) -> int:
    """The state before the last run, whether that was confirmed or not.

    Raises:
        HactlError: exit 3 where there is none.
    """
    numbers = {generation.number for chronicle in found.values() for generation in chronicle.generations}
    last = max({0, *numbers, *(chronicle.attempt for chronicle in found.values())})
    before = {number for number in numbers if number < last}
    if not before:
        raise _too_far("no host has a generation before its present one", "hactl history lists what there is")
    return max(before)


def choose(found: Mapping[str, Chronicle], number: int) -> dict[str, Generation]:
    """Each host's generation at `number`.

    Raises:
        UsageError: no host has that very number.
        HactlError: exit 3 where a host has none so old.
    """
    if not any(generation.number == number for each in found.values() for generation in each.generations):
        raise _no_such(number)
    chosen = {host: chronicle.up_to(number) for host, chronicle in found.items()}
    missing = [host for host, generation in chosen.items() if generation is None]
    if missing:
        what = f"{', '.join(missing)}: nothing confirmed at generation {number} or before is kept there"
        raise _too_far(what, "nothing was changed; leave them out with --limit, or choose a later generation")
    return {host: generation for host, generation in chosen.items() if generation is not None}


def _too_far(what: str, hint: str) -> HactlError:
    error = HactlError(what, hint)
    error.exit_code = Exit.INPUT
    return error


def _newest(chosen: Mapping[str, Generation]) -> Generation:
    return max(chosen.values(), key=lambda generation: generation.number)
