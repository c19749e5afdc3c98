"""`hactl plan`: show what a deploy would change."""

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
        HactlError: a host could not be inspected; the plan of the other hosts is shown first.
    """
    check(project)
    console = Console()
    targets = project.targets(project.managed(limit), lab)
    with inspect(targets, project.render, project.inventory.secrets, console) as inspection:
        cluster = ClusterDeploy.of(project, limit)
        cluster.make_plan(inspection)
        console.done()
        if json:
            print_json(plan_json(inspection.plans, inspection.coverage) | cluster.plan_json())
        else:
            Screen().show(
                [*plan_lines(inspection.plans, inspection.coverage), *cluster.plan_lines()]
            )
        inspection.raise_failures()
        if notice := new_ca_notice(project, inspection.plans):
            console.note(notice)
        cluster.raise_failure()
        return Exit.CHANGES if inspection.changes() + cluster.changes() else Exit.OK


def command(
    inventory: InventoryPath = None, limit: Limit = "", json: Json = False, lab: Lab = False
) -> None:
    """Show what a deploy would change.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    raise typer.Exit(plan(load(inventory), limit, json, lab))
