"""The CA of a cluster: a deploy of all nodes makes it, if no node has a CA yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provision.core.errors import InputError, Problem
from provision.deploy.plan import HostPlan, plan_host
from provision.deploy.project import Project
from provision.desired.items import File
from provision.desired.kafka_tls import ORIGIN, missing
from provision.formats.certificates import have_common_certificate, make, save_authority
from provision.inventory.kafka import KafkaCluster

CA_FILE = "/etc/kafka/ca.pem"
"""The CA that a node trusts; role kafka writes this file."""


def new_ca_notice(project: Project, plans: Mapping[str, HostPlan]) -> str:
    """Return a sentence on the CA that a deploy of these hosts makes; empty if it makes none.

    Raises:
        InputError: `kafka-ca`: a node has another CA than this machine, or was not inspected.
    """
    cluster = project.topology.kafka
    if cluster is None or cluster.certificates is None:
        return ""
    _reject_other_ca(cluster, plans)
    if not any(_has_unknown_files(plan) for plan in plans.values()):
        return ""
    if hosts := ", ".join(node.host for node in cluster.nodes if node.host not in plans):
        problem = (
            f"no CA of cluster {cluster.model.name} is on this machine, and hactl did not inspect "
            f"{hosts}"
        )
        fix = f"leave --limit out, or {ORIGIN}"
        raise _ca_error(cluster, problem, "a node there may have one already", fix)
    return (
        f"Deploy makes the CA of cluster {cluster.model.name} "
        f"and keeps it in {cluster.certificates}."
    )


def with_authority(project: Project, before: Project | None = None) -> Project:
    """Return the project, with a new CA in memory if this machine has none.

    The new CA of `before` is reused, if `before` has one.

    Raises:
        InputError: `kafka-certificate`: the CA that the inventory names cannot be read.
    """
    cluster, old = project.topology.kafka, before.topology.kafka if before else None
    if cluster is None or not missing(cluster):
        return project
    known = (
        old.new_authority if old is not None and old.certificates == cluster.certificates else None
    )
    changed = replace(cluster, new_authority=known or make(cluster.model.name))
    return replace(project, topology=replace(project.topology, kafka=changed))


def replan(project: Project, plans: Mapping[str, HostPlan]) -> dict[str, HostPlan]:
    """Return the plans; plans with unknown files are made again from `project`, offline."""
    return {
        host: _replan_host(project, plan) if _has_unknown_files(plan) else plan
        for host, plan in plans.items()
    }


def keep_new(project: Project) -> None:
    """Save the CA that this run has made, if any. Raises HactlError if a write fails."""
    cluster = project.topology.kafka
    if (
        cluster is not None
        and cluster.new_authority is not None
        and cluster.certificates is not None
    ):
        save_authority(cluster.certificates, cluster.new_authority)


def _has_unknown_files(plan: HostPlan) -> bool:
    return any(isinstance(item, File) and not item.known for item in plan.desired.items)


def _replan_host(project: Project, plan: HostPlan) -> HostPlan:
    """Plan a host again, and keep the changes that came from comparing it with other hosts."""
    host_changes = plan_host(plan.desired, plan.observed, plan.secrets).changes
    new = plan_host(project.render(plan.host, plan.observed.facts), plan.observed, plan.secrets)
    return new.with_changes(*plan.changes[len(host_changes) :])


def _reject_other_ca(cluster: KafkaCluster, plans: Mapping[str, HostPlan]) -> None:
    """Raise InputError if a node trusts another CA: nodes would refuse each other."""
    hosts = [
        node.host
        for node in cluster.nodes
        if node.host in plans and _trusts_other_ca(plans[node.host])
    ]
    if not hosts:
        return
    name = cluster.model.name
    if missing(cluster):
        problem = f"{', '.join(hosts)} has a CA of cluster {name} that this machine does not have"
        raise _ca_error(cluster, problem, "with a new CA the nodes would refuse each other", ORIGIN)
    problem = f"{', '.join(hosts)} has another CA of cluster {name} than this machine"
    why = "nodes with different CAs refuse each other"
    fix = (
        f"{ORIGIN}; to change it, write both certificates into ca.pem, the new one first, "
        "and deploy twice"
    )
    raise _ca_error(cluster, problem, why, fix)


def _trusts_other_ca(plan: HostPlan) -> bool:
    desired, current = plan.desired.get("file", CA_FILE), plan.observed.items.get(("file", CA_FILE))
    if (
        not isinstance(desired, File)
        or current is None
        or current.attributes is None
        or current.attributes.get("type") == "other"
    ):
        return False
    if not desired.known:
        return True
    same = current.attributes.get("sha256") == desired.sha256
    return not same and not have_common_certificate(
        (current.content or b"").decode(errors="replace"), desired.content.decode()
    )


def _ca_error(cluster: KafkaCluster, problem: str, why: str, fix: str) -> InputError:
    position = cluster.node.at("tls").position
    return InputError([Problem(position, "kafka-ca", problem, f"{why}; nothing was changed", fix)])
