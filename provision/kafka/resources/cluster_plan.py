"""Plans a running cluster's resources, raises the plan's refusals, and applies the plan."""

from __future__ import annotations

from provision.core.errors import HactlError, InputError, Problem
from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import Login
from provision.kafka.resources.apply import Applied, carry_out
from provision.kafka.resources.desired import desired
from provision.kafka.resources.observe import observe
from provision.kafka.resources.plan import ClusterPlan, plan


def passwords(cluster: KafkaCluster) -> dict[str, str]:
    """Return the inventory's passwords by user."""
    return {name: user.password for name, user in cluster.model.users.items()}


def current_plan(cluster: KafkaCluster, login: Login, prune: bool) -> ClusterPlan:
    """Return the plan for a cluster's current state. Raises Unreachable, HostError."""
    target = desired(cluster)
    return plan(target, observe(login, target, passwords(cluster)), prune)


def apply_plan(cluster: KafkaCluster, login: Login, cluster_plan: ClusterPlan) -> Applied:
    """Apply a plan and return its outcomes. Raises HactlError if nothing was changed."""
    try:
        return (
            carry_out(login, cluster_plan.steps, passwords(cluster))
            if cluster_plan.steps
            else Applied(())
        )
    except HactlError as error:
        error.hint = f"{error.hint}\n  Nothing was changed on the cluster.".lstrip()
        raise


def refuse(cluster: KafkaCluster, cluster_plan: ClusterPlan) -> None:
    """Raise the refusals of a plan, if it has any.

    Raises:
        InputError: Kafka never can make the change.
        HactlError: Kafka can make the change once the brokers are up.
    """
    refusals = cluster_plan.refusals
    problems = [
        Problem(
            cluster.node.at(*refusal.path).position,
            refusal.rule,
            refusal.what,
            refusal.why,
            refusal.fix,
        )
        for refusal in refusals
        if not refusal.temporary
    ]
    if problems:
        raise InputError(problems)
    if refusals:
        message = "\n".join(f"{refusal.what}; {refusal.why}" for refusal in refusals)
        raise HactlError(message, f"{refusals[0].fix}\n  Nothing was changed on the cluster.")
