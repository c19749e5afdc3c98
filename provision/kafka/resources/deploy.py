"""The cluster's part of `hactl plan` and `hactl deploy`: after the hosts, without removals."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provision.core.errors import Exit, HactlError, InputError
from provision.core.events import Events
from provision.core.terminal import DIM, YELLOW, Line
from provision.inventory.kafka import KafkaCluster, first_users

if TYPE_CHECKING:
    from provision.deploy.inspection import Inspection
    from provision.deploy.project import Project
    from provision.kafka.client_file import Login
    from provision.kafka.resources.apply import Applied
    from provision.kafka.resources.plan import ClusterPlan

UNIT = "/etc/systemd/system/kafka.service"
"""A file that every host with a deployed broker has."""

START_TIMEOUT = 180.0
"""Seconds for brokers to start after their hosts were changed."""

POLL_INTERVAL = 2.0
"""Seconds between two plans while the cluster is not ready."""


@dataclass
class ClusterDeploy:
    """The cluster's part of one run; it does nothing without a `project`, or in a `limited` run.

    `unknown_because` says why the cluster was not inspected; empty if it was.
    """

    project: Project | None = None
    limited: bool = False
    unknown_because: str = ""
    plan: ClusterPlan | None = None
    applied: Applied | None = None
    failure: HactlError | None = field(default=None, repr=False)

    @classmethod
    def of(cls, project: Project, limit: str = "") -> ClusterDeploy:
        """Return the inventory's part; without a project if it has no resources."""
        return cls(project if _has_resources(project) else None, bool(limit))

    def make_plan(self, inspection: Inspection) -> None:
        """Plan the cluster before the hosts are changed; without any broker, plan to create all."""
        cluster = self._cluster
        if cluster is None:
            return
        if inspection.failures:
            self.unknown_because = "not all hosts could be inspected"
            return
        try:
            self.plan = self._plan_now(cluster, inspection)
        except HactlError as error:
            self.failure, self.unknown_because = error, error.line()

    def defer(self, inspection: Inspection, events: Events) -> None:
        """Defer the cluster's plan until the hosts are changed, if it failed and they may fix it.

        A deploy does not fix brokers that refuse the administrator: they would refuse each other.

        Raises:
            HactlError: changes of the hosts cannot fix the failure.
        """
        if self.failure is None:
            return
        from provision.kafka.resources.observe import NotAdmitted

        if isinstance(self.failure, InputError | NotAdmitted) or not inspection.changes():
            raise self.failure
        events.note(
            f"cluster {self._name}: {self.failure.line()}; planned once the hosts are deployed"
        )
        self.failure, self.unknown_because = None, ""

    def changes(self) -> int:
        """Return the number of steps."""
        return len(self.plan.steps) if self.plan else 0

    def carry_out(self, inspection: Inspection, events: Events) -> Exit:
        """Plan again after the deploy of the hosts, and apply the plan; wait for starting brokers.

        A failure is kept for `raise_failure`.
        """
        cluster = self._cluster
        if cluster is None or not (self.changes() or inspection.changes()):
            return Exit.OK
        from provision.kafka.resources.cluster_plan import apply_plan

        try:
            with self._administrator(inspection) as login:
                self.applied = apply_plan(
                    cluster, login, self._wait_for_plan(cluster, login, inspection, events)
                )
        except HactlError as error:
            self.failure = HactlError(
                f"cluster {self._name}: {error.message}", f"{error.hint}\n  {_HOSTS_STAY}".lstrip()
            )
            return Exit.FAILED
        except KeyboardInterrupt:
            self.failure = HactlError(
                f"cluster {self._name}: interrupted; nothing was changed on the cluster",
                _HOSTS_STAY,
            )
            self.failure.exit_code = Exit.INTERRUPTED
            return Exit.INTERRUPTED
        if self.applied.interrupted:
            return Exit.INTERRUPTED
        return Exit.OK if self.applied.complete else Exit.FAILED

    def raise_failure(self) -> None:
        """Raise the failure of the plan or of its application, if any. Raises HactlError."""
        if self.failure:
            raise self.failure

    def plan_lines(self) -> Iterator[Line]:
        """Yield the lines of the cluster's plan, below the hosts' plans."""
        if self.project and self.limited:
            yield "The cluster stays unchanged: this run is limited to some hosts.", DIM
        if self.unknown_because:
            yield f"Cluster {self._name}: unknown.", YELLOW
        if self.plan:
            from provision.kafka.resources.show import plan_lines

            yield "", ""
            yield from plan_lines(self._name, self.plan)

    def plan_json(self) -> dict[str, Any]:
        """Return the cluster's part of `plan --json`; `changes` is null if they are unknown."""
        if self.unknown_because:
            return {
                "cluster": {
                    "cluster": self._name,
                    "changes": None,
                    "resources": [],
                    "unseen": self.unknown_because,
                }
            }
        if self.plan is None:
            return {}
        from provision.kafka.resources.show import plan_document

        return {"cluster": plan_document(self._name, self.plan)}

    def applied_lines(self) -> Iterator[Line]:
        """Yield the lines of the applied plan, below the hosts' results."""
        if self.applied:
            from provision.kafka.resources.show import applied_lines

            yield from applied_lines(self._name, self.applied)
            if not self.applied.complete:
                yield _HOSTS_STAY, ""

    def applied_json(self) -> dict[str, Any]:
        """Return the cluster's part of `deploy --json`."""
        if self.applied is None:
            return {}
        from provision.kafka.resources.show import applied_document

        return {"cluster": applied_document(self._name, self.applied)}

    @property
    def _cluster(self) -> KafkaCluster | None:
        return self.project.topology.kafka if self.project and not self.limited else None

    @property
    def _name(self) -> str:
        return self._cluster.model.name if self._cluster else ""

    def _plan_now(self, cluster: KafkaCluster, inspection: Inspection) -> ClusterPlan:
        from provision.kafka.resources.cluster_plan import current_plan, refuse
        from provision.kafka.resources.desired import desired, fresh_cluster
        from provision.kafka.resources.plan import plan

        if all(is_new(inspection, node.host) for node in cluster.brokers):
            target = desired(cluster)
            return plan(target, fresh_cluster(target, self._first_users(cluster)))
        with self._administrator(inspection) as login:
            cluster_plan = current_plan(cluster, login, prune=False)
        refuse(cluster, cluster_plan)
        return cluster_plan

    def _first_users(self, cluster: KafkaCluster) -> tuple[str, ...]:
        return first_users(cluster, self.project.topology.frontends) if self.project else ()

    @contextmanager
    def _administrator(self, inspection: Inspection) -> Iterator[Login]:
        from provision.kafka.ssh_tunnel import administrator

        assert self.project
        with administrator(self.project, lambda host: inspection.sessions[host]) as login:
            yield login

    def _wait_for_plan(
        self, cluster: KafkaCluster, login: Login, inspection: Inspection, events: Events
    ) -> ClusterPlan:
        """Wait until the cluster answers and its plan has no refusal, and return the plan.

        Raises the last error after START_TIMEOUT.
        """
        from provision.kafka.resources.cluster_plan import current_plan, refuse
        from provision.kafka.resources.observe import NotAdmitted

        deadline = time.monotonic() + (START_TIMEOUT if inspection.changes() else 0)
        while True:
            try:
                cluster_plan = current_plan(cluster, login, prune=False)
                refuse(cluster, cluster_plan)
                return cluster_plan
            except (InputError, NotAdmitted):
                raise
            except HactlError as error:
                if time.monotonic() > deadline:
                    raise
                events.note(f"cluster {self._name} is not ready yet: {error.line()}")
            time.sleep(POLL_INTERVAL)


_HOSTS_STAY = "The hosts stay as deployed; `hactl kafka apply` resumes from here."


def _has_resources(project: Project) -> bool:
    """Return whether the inventory has topics, ACLs, quotas, or more than the first users."""
    cluster = project.topology.kafka
    if cluster is None:
        return False
    users = cluster.model.users
    first = first_users(cluster, project.topology.frontends)
    granted = any(user.acls or user.quotas.model_dump(exclude_none=True) for user in users.values())
    return bool(
        cluster.model.topics or granted or (cluster.model.scram and set(users) - set(first))
    )


def is_new(inspection: Inspection, host: str) -> bool:
    """Return whether no broker was ever deployed on a host."""
    plan = inspection.plans.get(host)
    return plan is not None and any(
        change.name == UNIT and change.action == "create" for change in plan.changes
    )
