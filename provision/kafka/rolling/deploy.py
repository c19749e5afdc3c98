"""What a deploy does about nodes that it restarts: one at a time, each when the cluster can spare it.

Only where a node of a running cluster is restarted or stopped. A first deploy starts all nodes at once: a quorum of
controllers, or of ZooKeeper's members, comes up together or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from provision.core.errors import HostError
from provision.core.events import Events
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.project import Project
from provision.hosts.agent.locked_host import UNIT
from provision.hosts.sessions import Sessions as Logins
from provision.inventory.kafka import KafkaCluster
from provision.kafka.admin import ask
from provision.kafka.replicas.fetch import look
from provision.kafka.rolling import zookeeper
from provision.kafka.rolling.poller import AT_FIRST, BACK, WHOLE, Poller
from provision.kafka.rolling.safety import order
from provision.kafka.ssh_tunnel import Sessions, administrator

MEMBER_UNIT = "zookeeper.service"

JOINED = 60.0
"""Seconds for a restarted member of ZooKeeper to take part again."""

BEYOND = "where the cluster is not to be spared, stop kafka.service on its hosts: a deploy then starts all at once"


def taken_down(plan: HostPlan) -> frozenset[str]:
    """Which of the units of a cluster a plan restarts or stops while they run. Pure."""
    return frozenset(
        change.name
        for change in plan.changes
        if change.kind == "unit"
        and change.name in (UNIT, MEMBER_UNIT)
        and change.was.get("active") == "yes"
        if {"restart", "stop"} & set(change.detail.split(", "))
    )


@contextmanager
def serial_restarts(
    project: Project, found: Inspection, events: Events, *, lab: bool
) -> Iterator[SerialRestart | None]:
    """The care that the nodes of a cluster need in this rollout; None where it takes down none that runs.

    Raises:
        InputError: a certificate cannot be read.
    """
    cluster = project.topology.kafka
    hosts = _hosts(cluster) if cluster else frozenset()
    down = {
        host: units
        for host, plan in found.plans.items()
        if host in hosts and (units := taken_down(plan))
    }
    if cluster is None or not down:
        yield None
        return
    with (
        logins(project, cluster, found, lab) as sessions,
        administrator(project, sessions) as login,
    ):
        sight = Poller(cluster.nodes, lambda: ask(login, look), events, lambda: found.interrupted)
        yield SerialRestart(cluster, sight, down, sessions)


def _hosts(cluster: KafkaCluster) -> frozenset[str]:
    return frozenset(
        (*(node.host for node in cluster.nodes), *(member.host for member in cluster.members))
    )


@dataclass
class SerialRestart:
    """The hosts whose nodes go down in a rollout, each when the others can do without it.

    `down` has the units that go down by host. `patience` is for how long the cluster may keep the next one up.
    """

    cluster: KafkaCluster
    sight: Poller
    down: Mapping[str, frozenset[str]]
    sessions: Sessions
    patience: float = AT_FIRST

    def alone(self, hosts: Collection[str]) -> tuple[str, ...]:
        """Which of `hosts` go down each by itself, in this order: members of ZooKeeper alone first, then as in a roll.

        Where the cluster does not answer the order does not matter: `before` will refuse the first of them.
        """
        due = [host for host in self.down if host in hosts]
        nodes = [node for node in self.cluster.nodes if node.host in due]
        try:
            ordered = [node.host for node in order(self.sight.look(), nodes)] if nodes else []
        except HostError:
            ordered = [node.host for node in nodes]
        return (*(host for host in due if host not in ordered), *ordered)

    def before(self, host: str) -> str:
        """Wait until the host's nodes may go down; why they may not, empty where they may.

        What the cluster lacks before the first of them is no doing of this rollout: little time is given to that.
        """
        limit, self.patience = self.patience, WHOLE
        node = self.cluster.on(host)
        found = self.sight.may_go(node, limit) if node and UNIT in self.down[host] else ()
        if not found and MEMBER_UNIT in self.down[host]:
            found = self.sight.wait_until_clear(lambda _: self._ensemble(host), limit, host)
        return "\n".join((*found, BEYOND)) if found else ""

    def after(self, host: str) -> str:
        """Wait until the host's nodes serve again; why they do not, empty where they do."""
        found: tuple[str, ...] = ()
        if MEMBER_UNIT in self.down[host]:
            found = self.sight.wait_until_clear(lambda _: self._member(host), JOINED, host)
        node = self.cluster.on(host)
        return "\n".join(found or (self.sight.back(node, BACK) if node else ()))

    def _ensemble(self, host: str) -> tuple[str, ...]:
        why = zookeeper.may_go(zookeeper.members(self.cluster, self.sessions), host)
        return (why,) if why else ()

    def _member(self, host: str) -> tuple[str, ...]:
        serving = zookeeper.members(self.cluster, self.sessions)[host]
        return () if serving else (f"ZooKeeper: {host} is not part of the ensemble",)


@contextmanager
def logins(
    project: Project, cluster: KafkaCluster, found: Inspection, lab: bool
) -> Iterator[Sessions]:
    """The way to the cluster's hosts in a deploy: the survey's logins, and new ones where a host was not surveyed."""
    unknown = _hosts(cluster) - set(found.sessions)
    with Logins(project.targets(tuple(sorted(unknown)), lab)) as others:
        yield lambda host: found.sessions[host] if host in found.sessions else others.of(host)
