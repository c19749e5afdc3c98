"""`hactl kafka apply`: plan, ask, carry the plan out, say what became of each step."""

from __future__ import annotations

import sys

import typer

from provision.checks.lint.rules import check
from provision.commands.options import (
    InventoryPath,
    Json,
    Lab,
    Prune,
    Yes,
    load,
)
from provision.core.errors import Exit, HactlError, UsageError
from provision.core.terminal import Screen, confirm, print_json
from provision.deploy.project import Project
from provision.kafka.connection import ConnectionOptions, cluster_login
from provision.kafka.resources.cluster_plan import apply_plan, current_plan, refuse
from provision.kafka.resources.plan import ClusterPlan
from provision.kafka.resources.show import applied_document, applied_lines, plan_lines
from provision.kafka.ssh_tunnel import cluster_of


def apply(project: Project, *, prune: bool, yes: bool, json: bool, lab: bool) -> Exit:
    """Plan, ask, carry the plan out, and say what became of each step.

    Raises:
        InputError: something is wanted that Kafka cannot do, with its place; nothing was changed.
        UsageError: nobody agreed; nothing was changed.
        HactlError: something cannot be done now, or is not as it was when it was shown; nothing was changed.
        Unreachable: the cluster cannot be logged in to.
        HostError: it does not answer.
    """
    check(project)
    cluster = cluster_of(project)
    name = cluster.model.name
    with cluster_login(ConnectionOptions(project, lab)) as login:
        found = current_plan(cluster, login, prune)
        refuse(cluster, found)
        Screen(sys.stderr if json else sys.stdout).show(plan_lines(name, found))
        if found.steps and not yes:
            if not confirm():
                raise UsageError("not confirmed; nothing was changed")
            _unchanged(found, current_plan(cluster, login, prune))
        applied = apply_plan(cluster, login, found)
    if json:
        print_json(applied_document(name, applied))
    elif found.steps:
        Screen().show(applied_lines(name, applied))
    return Exit.OK if applied.complete else Exit.INTERRUPTED if applied.interrupted else Exit.FAILED


def _unchanged(shown: ClusterPlan, now: ClusterPlan) -> None:
    if shown.steps != now.steps:
        what = "the cluster is not as it was when the plan was made: somebody else has changed it"
        raise HactlError(what, "plan again\n  Nothing was changed.")


def command(
    inventory: InventoryPath = None,
    prune: Prune = False,
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, then make users, topics, rights (ACLs) and quotas as planned, in this order.

    Exit 1 where not all of it is done: what is done stays, and the next run goes on."""
    raise typer.Exit(apply(load(inventory), prune=prune, yes=yes, json=json, lab=lab))
