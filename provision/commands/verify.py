"""`hactl verify`: look at the hosts and the wire, judge, and say it in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from provision.checks.lint.rules import check as lint
from provision.checks.verify.result import Check, Verification
from provision.checks.verify.run import run
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    load,
)
from provision.core.errors import Exit
from provision.core.events import Console
from provision.core.terminal import BOLD, DIM, GREEN, RED, Line, Screen, print_json, wrapped
from provision.deploy.project import Project
from provision.hosts.sessions import Sessions
from provision.inventory.topology import Topology


def verify(project: Project, *, json: bool, junit: Path | None, lab: bool) -> Exit:
    """Lint, look, judge, report. Returns 0, 1 for a failed check, 4 where a host could not be looked at.

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
    """Logins to all that is looked at: the managed hosts, and the first client."""
    return Sessions(project.targets((*project.managed(), *project.topology.clients[:1]), lab))


def lines(result: Verification, topology: Topology) -> Iterator[Line]:
    """A line a host with its counts, then what failed and why, what was skipped and why, and the totals."""
    width = max((len(name) for name, _ in _parts(result, topology)), default=0)
    for name, checks in _parts(result, topology):
        failed = sum(not check.ok for check in checks)
        skipped = sum(check.skipped is not None for check in checks)
        counts = [f"{len(checks) - failed - skipped:3} ok"]
        counts += [f"{skipped} skipped"] if skipped else []
        counts += [f"{failed} failed"] if failed else []
        yield (
            f"{name:<{width}}  {', '.join(counts)}",
            RED if failed else "" if skipped == len(checks) else GREEN,
        )
    yield from _failures(result.checks)
    yield from _remarks(result.checks)
    yield _totals(result), BOLD


def _parts(result: Verification, topology: Topology) -> list[tuple[str, list[Check]]]:
    """The checks by what they are about: each host with its part, the front ends, the operator's own."""
    parts: dict[str, list[Check]] = {}
    for check in result.checks:
        parts.setdefault(_part(check, topology), []).append(check)
    order = [_titled(host, topology) for host in topology.hosts]
    return sorted(
        parts.items(), key=lambda part: order.index(part[0]) if part[0] in order else len(order)
    )


def _part(check: Check, topology: Topology) -> str:
    if check.host:
        return _titled(check.host, topology)
    return "your own tests" if "/" in check.name.partition(" ")[0] else "front ends"


def _titled(host: str, topology: Topology) -> str:
    """A host and its part, aligned with the others."""
    groups = {
        "director": topology.directors(),
        "real server": topology.real_servers(),
        "client": topology.clients,
    }
    part = next((part for part, hosts in groups.items() if host in hosts), "")
    return f"{host:<{max(map(len, topology.hosts))}}  {part}"


def _failures(checks: Sequence[Check]) -> Iterator[Line]:
    """What failed: each message once, with all checks that say it."""
    said: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        if not check.ok:
            said.setdefault((check.host, check.message), []).append(check.name)
    for (host, message), names in said.items():
        yield "", ""
        what = names[0] if len(names) == 1 else f"{len(names)} checks"
        yield f"{host}: {what}" if host else what, RED
        for line in message.splitlines():
            yield from wrapped(line, first="  ", rest="    ")


def _remarks(checks: Sequence[Check]) -> Iterator[Line]:
    """Why checks were skipped, each reason once, and what passed ones have to say."""
    said: dict[str, list[str]] = {}
    for check in checks:
        text = check.skipped if check.skipped is not None else check.message if check.ok else ""
        if text:
            said.setdefault(text, []).append(check.name)
    if said:
        yield "", ""
    for text, names in said.items():
        kinds = ", ".join(dict.fromkeys(name.partition(" ")[0] for name in names))
        yield from wrapped(f"{kinds}: {text}", DIM, rest="  ")


def _totals(result: Verification) -> str:
    failed = sum(not check.ok for check in result.checks)
    skipped = sum(check.skipped is not None for check in result.checks)
    passed = len(result.checks) - failed - skipped
    counts = f"{passed} checks passed, {failed} failed, {skipped} skipped"
    return f"Verify: {counts} in {result.seconds:.1f} s." + (
        "" if passed or failed else " Nothing was proved."
    )


def command(
    inventory: InventoryPath = None,
    json: Json = False,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML here.")
    ] = None,
    lab: Lab = False,
) -> None:
    """Look at every host and at the wire, and say what is not as it should be.

    Changes nothing. Tests of your own in `tests/` beside the inventory run as well."""
    raise typer.Exit(verify(load(inventory), json=json, junit=junit, lab=lab))
