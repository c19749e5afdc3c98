"""`hactl kafka apply`: plan, ask, carry out the plan, and print the result of each step."""

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
    """Plan, ask, carry out the plan, and print the result of each step.

    Raises:
        InputError: the inventory asks for something that Kafka cannot do; nothing was changed.
        UsageError: the operator did not confirm; nothing was changed.
        HactlError: a step cannot be done now, or the cluster changed after the plan was shown;
            nothing was changed.
        Unreachable: the cluster cannot be logged in to.
        HostError: the cluster does not answer.
    """
    check(project)
    cluster = cluster_of(project)
    name = cluster.model.name
    with cluster_login(ConnectionOptions(project, lab)) as login:
        cluster_plan = current_plan(cluster, login, prune)
        refuse(cluster, cluster_plan)
        Screen(sys.stderr if json else sys.stdout).show(plan_lines(name, cluster_plan))
        if cluster_plan.steps and not yes:
            if not confirm():
                raise UsageError("not confirmed; nothing was changed")
            _require_same(cluster_plan, current_plan(cluster, login, prune))
        applied = apply_plan(cluster, login, cluster_plan)
    if json:
        print_json(applied_document(name, applied))
    elif cluster_plan.steps:
        Screen().show(applied_lines(name, applied))
    return Exit.OK if applied.complete else Exit.INTERRUPTED if applied.interrupted else Exit.FAILED


def _require_same(shown: ClusterPlan, now: ClusterPlan) -> None:
    """Raise HactlError where the plan now is not the plan that was shown."""
    if shown.steps != now.steps:
        message = "the cluster changed after the plan was made: somebody else changed it"
        raise HactlError(message, "plan again\n  Nothing was changed.")


def command(
    inventory: InventoryPath = None,
    prune: Prune = False,
    yes: Yes = False,
    json: Json = False,
    lab: Lab = False,
) -> None:
    """Plan, ask, and change the cluster.

    The order is users, topics, rights (ACLs), quotas. Exit 1 when a step was not
    done: finished steps stay, and the next run resumes."""
    raise typer.Exit(apply(load(inventory), prune=prune, yes=yes, json=json, lab=lab))
