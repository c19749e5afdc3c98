"""Serial restarts in a deploy: it stops a cluster's running nodes one at a time, when it is safe.

A first deploy starts all nodes at once: a quorum of controllers, or of ZooKeeper's members, needs
a majority to come up.
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
from provision.kafka.rolling.poller import (
    FIRST_NODE_TIMEOUT,
    READY_TIMEOUT,
    SYNC_TIMEOUT,
    ClusterPoller,
)
from provision.kafka.rolling.safety import order
from provision.kafka.ssh_tunnel import Sessions, administrator

MEMBER_UNIT = "zookeeper.service"

MEMBER_TIMEOUT = 60.0
"""Seconds for a restarted ZooKeeper member to join the ensemble again."""

FORCE_HINT = (
    "to restart all nodes at once, with an outage, stop kafka.service on their hosts and deploy"
)


def taken_down(plan: HostPlan) -> frozenset[str]:
    """Return the cluster's running units that a plan restarts or stops. Pure."""
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
    project: Project, inspection: Inspection, events: Events, *, lab: bool
) -> Iterator[SerialRestart | None]:
    """Yield the serial restarts that this rollout needs; None if it stops no running node.

    Raises:
        InputError: a certificate cannot be read.
    """
    cluster = project.topology.kafka
    hosts = _hosts(cluster) if cluster else frozenset()
    down = {
        host: units
        for host, plan in inspection.plans.items()
        if host in hosts and (units := taken_down(plan))
    }
    if cluster is None or not down:
        yield None
        return
    with (
        logins(project, cluster, inspection, lab) as sessions,
        administrator(project, sessions) as login,
    ):
        poller = ClusterPoller(
            cluster.nodes, lambda: ask(login, look), events, lambda: inspection.interrupted
        )
        yield SerialRestart(cluster, poller, down, sessions)


def _hosts(cluster: KafkaCluster) -> frozenset[str]:
    return frozenset(
        (*(node.host for node in cluster.nodes), *(member.host for member in cluster.members))
    )


@dataclass
class SerialRestart:
    """The hosts whose nodes a rollout stops, one at a time, when it is safe.

    `down` has the units that stop, by host. `timeout` is the seconds to wait for the next node.
    """

    cluster: KafkaCluster
    poller: ClusterPoller
    down: Mapping[str, frozenset[str]]
    sessions: Sessions
    timeout: float = FIRST_NODE_TIMEOUT

    def alone(self, hosts: Collection[str]) -> tuple[str, ...]:
        """Return those of `hosts` that must stop one at a time, in their order.

        Hosts with only a ZooKeeper member come first, then nodes in the order of a roll. If the
        cluster does not answer, the order does not matter: `before` then refuses the first host.
        """
        due = [host for host in self.down if host in hosts]
        nodes = [node for node in self.cluster.nodes if node.host in due]
        try:
            ordered = [node.host for node in order(self.poller.look(), nodes)] if nodes else []
        except HostError:
            ordered = [node.host for node in nodes]
        return (*(host for host in due if host not in ordered), *ordered)

    def before(self, host: str) -> str:
        """Wait until the host's nodes may stop; return why they may not, empty if they may.

        The wait for the first node is short: this rollout did not cause problems that exist then.
        """
        timeout, self.timeout = self.timeout, SYNC_TIMEOUT
        node = self.cluster.on(host)
        problems = (
            self.poller.wait_until_safe(node, timeout) if node and UNIT in self.down[host] else ()
        )
        if not problems and MEMBER_UNIT in self.down[host]:
            problems = self.poller.wait_until_clear(
                lambda _: self._ensemble_problems(host), timeout, host
            )
        return "\n".join((*problems, FORCE_HINT)) if problems else ""

    def after(self, host: str) -> str:
        """Wait until the host's nodes serve again; return why they do not, empty if they do."""
        problems: tuple[str, ...] = ()
        if MEMBER_UNIT in self.down[host]:
            problems = self.poller.wait_until_clear(
                lambda _: self._member_problems(host), MEMBER_TIMEOUT, host
            )
        node = self.cluster.on(host)
        return "\n".join(
            problems or (self.poller.wait_until_ready(node, READY_TIMEOUT) if node else ())
        )

    def _ensemble_problems(self, host: str) -> tuple[str, ...]:
        reason = zookeeper.stop_refusal(zookeeper.members(self.cluster, self.sessions), host)
        return (reason,) if reason else ()

    def _member_problems(self, host: str) -> tuple[str, ...]:
        serving = zookeeper.members(self.cluster, self.sessions)[host]
        return () if serving else (f"ZooKeeper: {host} is not part of the ensemble",)


@contextmanager
def logins(
    project: Project, cluster: KafkaCluster, inspection: Inspection, lab: bool
) -> Iterator[Sessions]:
    """Yield SSH sessions of the cluster's hosts: the inspection's, new ones for all other hosts."""
    other_hosts = _hosts(cluster) - set(inspection.sessions)
    with Logins(project.targets(tuple(sorted(other_hosts)), lab)) as others:
        yield (
            lambda host: (
                inspection.sessions[host] if host in inspection.sessions else others.of(host)
            )
        )
