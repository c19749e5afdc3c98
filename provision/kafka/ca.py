"""Who may make the CA of a cluster: a deploy of all its nodes, where none of them has one already."""

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
"""What a node trusts; role kafka puts it there."""


def new_authority(project: Project, plans: Mapping[str, HostPlan]) -> str:
    """What a deploy of these hosts makes and where it keeps that, as a sentence; empty where it makes no CA.

    Raises:
        InputError: `kafka-ca`, where nodes have another CA than this machine, or not all of them were looked at.
    """
    cluster = project.topology.kafka
    if cluster is None or cluster.certificates is None:
        return ""
    _refuse_another(cluster, plans)
    if not any(_unknown(plan) for plan in plans.values()):
        return ""
    if unseen := [node.host for node in cluster.nodes if node.host not in plans]:
        what = f"no CA of cluster {cluster.model.name} is on this machine, and {', '.join(unseen)} was not looked at"
        raise _refused(
            cluster, what, "a node there may have one already", f"leave --limit out, or {ORIGIN}"
        )
    return f"Deploy makes the CA of cluster {cluster.model.name} and keeps it in {cluster.certificates}."


def with_authority(project: Project, before: Project | None = None) -> Project:
    """The project with a new CA, kept nowhere yet, where this machine has none; the one of `before`, if that has one.

    Raises:
        InputError: `kafka-certificate`, where the CA that the inventory gives cannot be read.
    """
    cluster, old = project.topology.kafka, before.topology.kafka if before else None
    if cluster is None or not missing(cluster):
        return project
    known = (
        old.new_authority if old is not None and old.certificates == cluster.certificates else None
    )
    changed = replace(cluster, new_authority=known or make(cluster.model.name))
    return replace(project, topology=replace(project.topology, kafka=changed))


def planned_with(project: Project, plans: Mapping[str, HostPlan]) -> dict[str, HostPlan]:
    """The plans, those with unknown files made anew with what `project` knows by now; no host is asked again."""
    return {
        host: _planned(project, plan) if _unknown(plan) else plan for host, plan in plans.items()
    }


def keep_new(project: Project) -> None:
    """Keep the CA that this run has made, if it has. Raises HactlError where that fails."""
    cluster = project.topology.kafka
    if (
        cluster is not None
        and cluster.new_authority is not None
        and cluster.certificates is not None
    ):
        save_authority(cluster.certificates, cluster.new_authority)


def _unknown(plan: HostPlan) -> bool:
    return any(isinstance(item, File) and not item.known for item in plan.desired.items)


def _planned(project: Project, plan: HostPlan) -> HostPlan:
    """A host's plan anew, with the changes that were found by comparing it with other hosts."""
    alone = plan_host(plan.desired, plan.observed, plan.secrets).changes
    made = plan_host(project.render(plan.host, plan.observed.facts), plan.observed, plan.secrets)
    return made.with_changes(*plan.changes[len(alone) :])


def _refuse_another(cluster: KafkaCluster, plans: Mapping[str, HostPlan]) -> None:
    """Raise where nodes trust a CA, and none that this machine would have them trust: they would refuse each other."""
    others = [
        node.host
        for node in cluster.nodes
        if node.host in plans and _trusts_another(plans[node.host])
    ]
    if not others:
        return
    name = cluster.model.name
    if missing(cluster):
        what = f"{', '.join(others)} has a CA of cluster {name} that this machine does not have"
        raise _refused(cluster, what, "with a new one the nodes would refuse each other", ORIGIN)
    what = f"{', '.join(others)} has another CA of cluster {name} than this machine"
    why = "nodes with different ones refuse each other"
    fix = f"{ORIGIN}; to change it, have ca.pem hold both certificates first, the new one in front, and deploy twice"
    raise _refused(cluster, what, why, fix)


def _trusts_another(plan: HostPlan) -> bool:
    wanted, was = plan.desired.get("file", CA_FILE), plan.observed.items.get(("file", CA_FILE))
    if (
        not isinstance(wanted, File)
        or was is None
        or was.attributes is None
        or was.attributes.get("type") == "other"
    ):
        return False
    if not wanted.known:
        return True
    same = was.attributes.get("sha256") == wanted.sha256
    return not same and not have_common_certificate(
        (was.content or b"").decode(errors="replace"), wanted.content.decode()
    )


def _refused(cluster: KafkaCluster, what: str, why: str, fix: str) -> InputError:
    return InputError(
        [
            Problem(
                cluster.node.at("tls").position,
                "kafka-ca",
                what,
                f"{why}; nothing was changed",
                fix,
            )
        ]
    )
