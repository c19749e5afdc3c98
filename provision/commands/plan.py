"""`hactl plan`: what a deploy would change."""

from __future__ import annotations

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Limit,
    load,
)
from provision.core.errors import Exit
from provision.core.events import Console
from provision.core.terminal import Screen, print_json
from provision.deploy.inspection import inspect
from provision.deploy.plan_output import plan_json, plan_lines
from provision.deploy.project import Project
from provision.kafka.ca import new_ca_notice
from provision.kafka.resources.deploy import ClusterDeploy


def plan(project: Project, limit: str, json: bool, lab: bool) -> Exit:
    """Show what a deploy would change.

    Raises:
        HactlError: a host could not be looked at; the other hosts' plan is shown first.
    """
    check(project)
    console = Console()
    targets = project.targets(project.managed(limit), lab)
    with inspect(targets, project.render, project.inventory.secrets, console) as found:
        cluster = ClusterDeploy.of(project, limit)
        cluster.make_plan(found)
        console.done()
        if json:
            print_json(plan_json(found.plans, found.coverage) | cluster.plan_json())
        else:
            Screen().show([*plan_lines(found.plans, found.coverage), *cluster.plan_lines()])
        found.raise_failures()
        if making := new_ca_notice(project, found.plans):
            console.note(making)
        cluster.raise_failure()
        return Exit.CHANGES if found.changes() + cluster.changes() else Exit.OK


def command(
    inventory: InventoryPath = None, limit: Limit = "", json: Json = False, lab: Lab = False
) -> None:
    """Show what a deploy would change.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    raise typer.Exit(plan(load(inventory), limit, json, lab))
