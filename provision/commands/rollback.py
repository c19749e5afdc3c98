"""`hactl rollback`: return the hosts to an earlier generation by a deploy."""

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
    """Deploy generation `to` as `hactl deploy` deploys an inventory: plan, ask, rollout order.

    Without `to`, deploy the generation before the last run. If the last run was rolled back, the
    hosts have that generation already.

    Raises:
        UsageError: no host has this generation.
        HactlError: with exit code 3, a host keeps no generation so old; otherwise a host does not
            answer. Nothing was changed.
    """
    targets = project.targets(project.managed(limit), lab)
    with open_logs(targets) as (logs, reading):
        if reading.failures:
            return refuse(reading, json)
        number = target_number(logs) if to is None else to
        chosen = choose(logs, number)
        stored = {
            host: logs[host].desired(generation.number) for host, generation in chosen.items()
        }
    newest = max(chosen.values(), key=lambda generation: generation.number)
    secrets = project.inventory.secrets.union(*(state.secrets for state in stored.values()))

    def render(host: str, _facts: Facts) -> DesiredHost:
        return stored[host].desired

    rolled_back = DeployTarget(render, secrets, f"rollback to {number}", newest.digest)
    return push(project, targets, rolled_back, yes=yes, serial=0, json=json, lab=lab)


def target_number(logs: Mapping[str, GenerationLog]) -> int:
    """The newest generation before the last run, confirmed or not.

    Raises:
        HactlError: with exit code 3, no host has an earlier generation.
    """
    numbers = {generation.number for log in logs.values() for generation in log.generations}
    last = max({0, *numbers, *(log.attempt for log in logs.values())})
    earlier = {number for number in numbers if number < last}
    if not earlier:
        raise _too_far(
            "no host has a generation before its present one", "hactl history lists the generations"
        )
    return max(earlier)


def choose(logs: Mapping[str, GenerationLog], number: int) -> dict[str, Generation]:
    """For each host its generation `number`, or the newest generation before it.

    Raises:
        UsageError: no host has a generation of this number.
        HactlError: with exit code 3, a host keeps no generation so old.
    """
    numbers = {generation.number for log in logs.values() for generation in log.generations}
    if number not in numbers:
        raise no_such_generation(number)
    chosen = {host: log.up_to(number) for host, log in logs.items()}
    missing = [host for host, generation in chosen.items() if generation is None]
    if missing:
        raise _too_far(
            f"{', '.join(missing)}: no generation up to {number} is kept there",
            "nothing was changed; exclude the hosts with --limit, or choose a later generation",
        )
    return {host: generation for host, generation in chosen.items() if generation is not None}


def _too_far(message: str, hint: str) -> HactlError:
    error = HactlError(message, hint)
    error.exit_code = Exit.INPUT
    return error


def command(
    inventory: InventoryPath = None,
    to: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="The generation; default: the generation before the last run."
        ),
    ] = None,
    limit: Limit = "",
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Return the hosts to an earlier deploy.

    Plan, ask, and change the hosts, as a deploy does."""
    raise typer.Exit(rollback(load(inventory), to=to, limit=limit, yes=yes, json=json, lab=lab))
