"""`hactl verify`: inspect the hosts and the network, and print the failed checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.rules import check as lint
from provision.checks.verify.result import Check, Counts, Verification
from provision.checks.verify.run import run
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit
from provision.core.events import Console
from provision.core.terminal import BOLD, DIM, GREEN, RED, YELLOW, Line, Screen, print_json, wrapped
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions
from provision.inventory.topology import Topology


def verify(project: Project, *, json: bool, junit: Path | None, lab: bool) -> Exit:
    """Lint, inspect, check, report.

    Returns 0, 1 for a failed check, 4 where a host could not be inspected.

    Raises:
        InputError: the inventory is wrong.
    """
    lint(project)
    console = Console()
    with sessions(project, lab) as opened:
        result = run(project, opened, console, junit)
    console.done()
    if json:
        print_json(result.json())
    else:
        Screen().show(lines(result, project.topology))
    return result.exit


def sessions(project: Project, lab: bool) -> Sessions:
    """Logins to all inspected hosts: the managed hosts and the first client."""
    return Sessions(project.targets((*project.managed(), *project.topology.clients[:1]), lab))


def lines(result: Verification, topology: Topology) -> Iterator[Line]:
    """The counts of each host, the failed checks, the skipped checks and remarks, the totals."""
    width = max((len(name) for name, _ in _parts(result, topology)), default=0)
    for name, checks in _parts(result, topology):
        count = Counts.of(checks)
        counts = [f"{count.passed:3} ok"]
        counts += [f"{count.skipped} skipped"] if count.skipped else []
        counts += [f"{count.unknown} unknown"] if count.unknown else []
        counts += [f"{count.failed} failed"] if count.failed else []
        yield (
            f"{name:<{width}}  {', '.join(counts)}",
            _colour(count),
        )
    yield from _failures(result.checks)
    yield from _remarks(result.checks)
    yield from _totals(result)


def _parts(result: Verification, topology: Topology) -> list[tuple[str, list[Check]]]:
    """The checks by subject: the hosts, the front ends, the operator's own tests."""
    parts: dict[str, list[Check]] = {}
    for check in result.checks:
        parts.setdefault(_part(check, topology), []).append(check)
    order = [_titled(host, topology) for host in topology.hosts]
    return sorted(
        parts.items(), key=lambda part: order.index(part[0]) if part[0] in order else len(order)
    )


def _part(check: Check, topology: Topology) -> str:
    """The subject of a check."""
    if check.host:
        return _titled(check.host, topology)
    return "your own tests" if "/" in check.name.partition(" ")[0] else "front ends"


def _titled(host: str, topology: Topology) -> str:
    """A host and its function, aligned with the other hosts."""
    groups = {
        "director": topology.directors(),
        "real server": topology.real_servers(),
        "client": topology.clients,
    }
    function = next((name for name, hosts in groups.items() if host in hosts), "")
    return f"{host:<{max(map(len, topology.hosts))}}  {function}"


def _failures(checks: Sequence[Check]) -> Iterator[Line]:
    """The failed and the unknown checks: each message once, with the checks that gave it."""
    names_by_message: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        if check.failed or check.unknown:
            names_by_message.setdefault((check.host, check.message), []).append(check.name)
    for (host, message), names in names_by_message.items():
        yield "", ""
        title = names[0] if len(names) == 1 else f"{len(names)} checks"
        yield f"{host}: {title}" if host else title, RED
        for line in message.splitlines():
            yield from wrapped(line, first="  ", rest="    ")


def _remarks(checks: Sequence[Check]) -> Iterator[Line]:
    """The reasons of skipped checks, each reason once, and the remarks of passed checks."""
    names_by_text: dict[str, list[str]] = {}
    for check in checks:
        text = check.skipped if check.skipped is not None else check.message if check.ok else ""
        if text:
            names_by_text.setdefault(text, []).append(check.name)
    if names_by_text:
        yield "", ""
    for text, names in names_by_text.items():
        kinds = ", ".join(dict.fromkeys(name.partition(" ")[0] for name in names))
        yield from wrapped(f"{kinds}: {text}", DIM, rest="  ")


def _totals(result: Verification) -> Iterator[Line]:
    """The counts; below them the number of inspected hosts where it is not all, and no proof."""
    count = Counts.of(result.checks)
    yield f"Verify: {count} in {result.seconds:.1f} s.", BOLD
    if result.coverage.unseen:
        yield f"{result.coverage.counted()} inspected.", YELLOW
    if not count.passed and not count.failed:
        yield "Nothing was proved.", YELLOW


def _colour(count: Counts) -> str:
    """The colour of a part: red for a failure, yellow for an unknown, none where all is skipped."""
    if count.failed:
        return RED
    return YELLOW if count.unknown else GREEN if count.passed else ""


def command(
    inventory: InventoryPath = None,
    json: Json = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML to this file.")
    ] = None,
    lab: Lab = False,
) -> None:
    """Check every host and the network; change nothing.

    Your own tests in the folder `tests/` beside the inventory run, too. Exit 0 when
    all is well, 1 when a check failed, 4 when a host could not be inspected."""
    raise typer.Exit(verify(load(inventory), json=json, junit=junit, lab=lab))
