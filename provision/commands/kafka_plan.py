"""`hactl kafka plan`: what would change in a cluster."""

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
    """Show what would change about the cluster's users, topics, rights and quotas.

    Raises:
        InputError: something is wanted that Kafka cannot do, with its place.
        HactlError: something cannot be done now.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
    """
    check(project)
    cluster = cluster_of(project)
    with cluster_login(ConnectionOptions(project, lab)) as login:
        found = current_plan(cluster, login, prune)
    refuse(cluster, found)
    if json:
        print_json(plan_document(cluster.model.name, found))
    else:
        Screen().show(plan_lines(cluster.model.name, found))
    return Exit.CHANGES if found.steps else Exit.OK


def command(
    inventory: InventoryPath = None, prune: Prune = False, json: Json = False, lab: Lab = False
) -> None:
    """Show what would change about a cluster's users, topics, rights (ACLs) and quotas.

    Exit 0 when there is nothing to do, 2 when there are changes."""
    raise typer.Exit(plan(load(inventory), prune=prune, json=json, lab=lab))
