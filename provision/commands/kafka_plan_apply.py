"""`hactl kafka plan` and `hactl kafka apply`: what is asked, shown and done, and how it ends."""

from __future__ import annotations

import sys

from provision.checks.lint.rules import check
from provision.core.errors import Exit, HactlError, InputError, Problem, UsageError
from provision.deploy.plan_output import Screen, agreed, print_json
from provision.deploy.project import Project
from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import Login
from provision.kafka.connection import Way, reached
from provision.kafka.resources import plan as planning
from provision.kafka.resources.apply import Applied, carry_out
from provision.kafka.resources.desired import desired
from provision.kafka.resources.observe import observe
from provision.kafka.resources.plan import Plan
from provision.kafka.resources.show import applied_document, applied_lines, plan_document, plan_lines
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
    with reached(Way(project, lab)) as login:
        found = planned(cluster, login, prune)
    refuse(cluster, found)
    if json:
        print_json(plan_document(cluster.model.name, found))
    else:
        Screen().show(plan_lines(cluster.model.name, found))
    return Exit.CHANGES if found.steps else Exit.OK


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
    with reached(Way(project, lab)) as login:
        found = planned(cluster, login, prune)
        refuse(cluster, found)
        Screen(sys.stderr if json else sys.stdout).show(plan_lines(name, found))
        if found.steps and not yes:
            if not agreed():
                raise UsageError("not confirmed; nothing was changed")
            _unchanged(found, planned(cluster, login, prune))
        applied = done(cluster, login, found)
    if json:
        print_json(applied_document(name, applied))
    elif found.steps:
        Screen().show(applied_lines(name, applied))
    return Exit.OK if applied.whole else Exit.INTERRUPTED if applied.interrupted else Exit.FAILED


def passwords(cluster: KafkaCluster) -> dict[str, str]:
    """The inventory's passwords by user."""
    return {name: user.password for name, user in cluster.model.users.items()}


def planned(cluster: KafkaCluster, login: Login, prune: bool) -> Plan:
    """The plan of a cluster as it is now. Raises Unreachable, HostError."""
    wanted = desired(cluster)
    return planning.plan(wanted, observe(login, wanted, passwords(cluster)), prune)


def done(cluster: KafkaCluster, login: Login, found: Plan) -> Applied:
    """What became of the plan's steps. Raises HactlError where nothing was changed."""
    try:
        return carry_out(login, found.steps, passwords(cluster)) if found.steps else Applied(())
    except HactlError as error:
        error.hint = f"{error.hint}\n  Nothing was changed on the cluster.".lstrip()
        raise


def refuse(cluster: KafkaCluster, found: Plan) -> None:
    """Complain of what cannot be, if there is anything.

    Raises:
        InputError: Kafka never could.
        HactlError: it could once the brokers are there.
    """
    problems = [
        Problem(cluster.node.at(*each.path).position, each.rule, each.what, each.why, each.fix)
        for each in found.refusals
        if not each.passing
    ]
    if problems:
        raise InputError(problems)
    if found.refusals:
        said = "\n".join(f"{each.what}; {each.why}" for each in found.refusals)
        raise HactlError(said, f"{found.refusals[0].fix}\n  Nothing was changed on the cluster.")


def _unchanged(shown: Plan, now: Plan) -> None:
    if shown.steps != now.steps:
        what = "the cluster is not as it was when the plan was made: somebody else has changed it"
        raise HactlError(what, "plan again\n  Nothing was changed.")
