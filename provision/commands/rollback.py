"""`hactl rollback`: the hosts as they were at a generation, by way of a deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from provision.commands.deploy import DeployTarget, push, refuse
from provision.commands.history import no_such_generation, open_logs
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Limit,
    Yes,
    load,
)
from provision.core.errors import Exit, HactlError
from provision.core.facts import Facts
from provision.deploy.project import Project
from provision.desired.items import DesiredHost
from provision.hosts.agent.generations import Generation, GenerationLog


def rollback(
    project: Project, *, to: int | None, limit: str, yes: bool, json: bool, lab: bool
) -> Exit:
    """Make the hosts again what they were at a generation, on the very way of a deploy: plan, question, rollout order.

    Without `to`, the one before the last run. A last run that was rolled back left nothing to take back.

    Raises:
        UsageError: there is no such generation.
        HactlError: exit 3 where a host goes not back so far; else a host could not be asked. Nothing was changed.
    """
    targets = project.targets(project.managed(limit), lab)
    with open_logs(targets) as (found, asked):
        if asked.failures:
            return refuse(asked, json)
        number = target_number(found) if to is None else to
        chosen = choose(found, number)
        stored = {
            host: found[host].desired(generation.number) for host, generation in chosen.items()
        }
    digest = next(
        (each.digest for each in chosen.values() if each.number == number), _newest(chosen).digest
    )
    secrets = project.inventory.secrets.union(*(each.secrets for each in stored.values()))

    def render(host: str, _facts: Facts) -> DesiredHost:
        return stored[host].desired

    wanted = DeployTarget(render, secrets, f"rollback to {number}", digest)
    return push(project, targets, wanted, yes=yes, serial=0, json=json, lab=lab)


def target_number(found: Mapping[str, GenerationLog]) -> int:
    """The state before the last run, whether that was confirmed or not.

    Raises:
        HactlError: exit 3 where there is none.
    """
    numbers = {
        generation.number for chronicle in found.values() for generation in chronicle.generations
    }
    last = max({0, *numbers, *(chronicle.attempt for chronicle in found.values())})
    before = {number for number in numbers if number < last}
    if not before:
        raise _too_far(
            "no host has a generation before its present one", "hactl history lists what there is"
        )
    return max(before)


def choose(found: Mapping[str, GenerationLog], number: int) -> dict[str, Generation]:
    """Each host's generation at `number`.

    Raises:
        UsageError: no host has that very number.
        HactlError: exit 3 where a host has none so old.
    """
    if not any(
        generation.number == number for each in found.values() for generation in each.generations
    ):
        raise no_such_generation(number)
    chosen = {host: chronicle.up_to(number) for host, chronicle in found.items()}
    missing = [host for host, generation in chosen.items() if generation is None]
    if missing:
        what = f"{', '.join(missing)}: nothing confirmed at generation {number} or before is kept there"
        raise _too_far(
            what, "nothing was changed; leave them out with --limit, or choose a later generation"
        )
    return {host: generation for host, generation in chosen.items() if generation is not None}


def _too_far(what: str, hint: str) -> HactlError:
    error = HactlError(what, hint)
    error.exit_code = Exit.INPUT
    return error


def _newest(chosen: Mapping[str, Generation]) -> Generation:
    return max(chosen.values(), key=lambda generation: generation.number)


def command(
    inventory: InventoryPath = None,
    to: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="The generation; default: the one before."),
    ] = None,
    limit: Limit = "",
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Make the hosts again what they were at a generation: plan, ask, then as a deploy."""
    raise typer.Exit(rollback(load(inventory), to=to, limit=limit, yes=yes, json=json, lab=lab))
