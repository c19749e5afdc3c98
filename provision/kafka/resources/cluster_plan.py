"""The plan of a running cluster: made, refused, carried out."""

from __future__ import annotations

from provision.core.errors import HactlError, InputError, Problem
from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import Login
from provision.kafka.resources.apply import Applied, carry_out
from provision.kafka.resources.desired import desired
from provision.kafka.resources.observe import observe
from provision.kafka.resources.plan import ClusterPlan, plan


def passwords(cluster: KafkaCluster) -> dict[str, str]:
    """The inventory's passwords by user."""
    return {name: user.password for name, user in cluster.model.users.items()}


def planned(cluster: KafkaCluster, login: Login, prune: bool) -> ClusterPlan:
    """The plan of a cluster as it is now. Raises Unreachable, HostError."""
    wanted = desired(cluster)
    return plan(wanted, observe(login, wanted, passwords(cluster)), prune)


def done(cluster: KafkaCluster, login: Login, found: ClusterPlan) -> Applied:
    """What became of the plan's steps. Raises HactlError where nothing was changed."""
    try:
        return carry_out(login, found.steps, passwords(cluster)) if found.steps else Applied(())
    except HactlError as error:
        error.hint = f"{error.hint}\n  Nothing was changed on the cluster.".lstrip()
        raise


def refuse(cluster: KafkaCluster, found: ClusterPlan) -> None:
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
