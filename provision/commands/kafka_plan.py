"""`hactl kafka plan`: show what would change in a cluster."""

from __future__ import annotations

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Prune,
    load,
)
from provision.core.errors import Exit
from provision.core.terminal import Screen, print_json
from provision.deploy.project import Project
from provision.kafka.connection import ConnectionOptions, cluster_login
from provision.kafka.resources.cluster_plan import current_plan, refuse
from provision.kafka.resources.show import plan_document, plan_lines
from provision.kafka.ssh_tunnel import cluster_of


def plan(project: Project, *, prune: bool, json: bool, lab: bool) -> Exit:
    """Show the planned changes of the cluster's users, topics, ACLs and quotas.

    Raises:
        InputError: the inventory asks for something that Kafka cannot do; names the place.
        HactlError: a change cannot be made now.
        Unreachable: the cluster cannot be logged in to.
        HostError: the cluster does not answer.
    """
    check(project)
    cluster = cluster_of(project)
    with cluster_login(ConnectionOptions(project, lab)) as login:
        cluster_plan = current_plan(cluster, login, prune)
    refuse(cluster, cluster_plan)
    if json:
        print_json(plan_document(cluster.model.name, cluster_plan))
    else:
        Screen().show(plan_lines(cluster.model.name, cluster_plan))
    return Exit.CHANGES if cluster_plan.steps else Exit.OK


def command(
    inventory: InventoryPath = None, prune: Prune = False, json: Json = False, lab: Lab = False
) -> None:
    """Show what would change in the cluster.

    The plan covers users, topics, rights (ACLs) and quotas.
    Exit 0 when there is nothing to do, 2 when there are changes."""
    raise typer.Exit(plan(load(inventory), prune=prune, json=json, lab=lab))
