"""The cluster's side of `hactl plan` and `hactl deploy`: shown with the hosts, done after them; it never takes away."""

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
"""What a host has once a broker was deployed there."""

START = 180.0
"""Seconds that brokers have to come up after their hosts were changed."""

POLL_INTERVAL = 2.0
"""Seconds until a cluster that is not whole yet is asked again."""


@dataclass
class ClusterDeploy:
    """What one run shows and does of a cluster: nothing without a `project`, or where it is `limited` to some hosts.

    `unseen` says why the cluster was not looked at, empty where it was.
    """

    project: Project | None = None
    limited: bool = False
    unseen: str = ""
    plan: ClusterPlan | None = None
    applied: Applied | None = None
    failure: HactlError | None = field(default=None, repr=False)

    @classmethod
    def of(cls, project: Project, limit: str = "") -> ClusterDeploy:
        """The side of the inventory's cluster; an empty one where the brokers' own files hold all there is to say."""
        return cls(project if _says_more(project) else None, bool(limit))

    def look(self, found: Inspection) -> None:
        """Plan as far as that can be before the hosts are changed; where no broker is yet, all is to be made."""
        cluster = self._cluster
        if cluster is None:
            return
        if found.failures:
            self.unseen = "not all hosts could be looked at"
            return
        try:
            self.plan = self._look(cluster, found)
        except HactlError as error:
            self.failure, self.unseen = error, error.line()

    def put_off(self, found: Inspection, events: Events) -> None:
        """Have what kept the cluster from being planned be no hindrance, where the hosts' changes may mend it.

        Brokers that run and refuse the administrator are not mended by a deploy: they refuse each other next.

        Raises:
            HactlError: it cannot be mended so.
        """
        if self.failure is None:
            return
        from provision.kafka.resources.observe import NotAdmitted

        if isinstance(self.failure, InputError | NotAdmitted) or not found.changes():
            raise self.failure
        events.note(
            f"cluster {self._name}: {self.failure.line()}; planned once the hosts are deployed"
        )
        self.failure, self.unseen = None, ""

    def changes(self) -> int:
        """How many steps the plan has."""
        return len(self.plan.steps) if self.plan else 0

    def carry_out(self, found: Inspection, events: Events) -> Exit:
        """Plan again, now that the hosts are as they should be, and do it; brokers that start are waited for.

        A failure is kept for `raise_failure`.
        """
        cluster = self._cluster
        if cluster is None or not (self.changes() or found.changes()):
            return Exit.OK
        from provision.kafka.resources.cluster_plan import done

        try:
            with self._administrator(found) as login:
                self.applied = done(cluster, login, self._awaited(cluster, login, found, events))
        except HactlError as error:
            self.failure = HactlError(
                f"cluster {self._name}: {error.message}", f"{error.hint}\n  {_STAY}".lstrip()
            )
            return Exit.FAILED
        except KeyboardInterrupt:
            self.failure = HactlError(
                f"cluster {self._name}: interrupted before anything of it was changed", _STAY
            )
            self.failure.exit_code = Exit.INTERRUPTED
            return Exit.INTERRUPTED
        if self.applied.interrupted:
            return Exit.INTERRUPTED
        return Exit.OK if self.applied.whole else Exit.FAILED

    def raise_failure(self) -> None:
        """Raise what kept the cluster from being planned or changed, if anything did. Raises HactlError."""
        if self.failure:
            raise self.failure

    def plan_lines(self) -> Iterator[Line]:
        """The cluster's plan, below the hosts'."""
        if self.project and self.limited:
            yield f"The cluster is left alone: {_LIMITED}.", DIM
        if self.unseen:
            yield f"Cluster {self._name}: unknown.", YELLOW
        if self.plan:
            from provision.kafka.resources.show import plan_lines

            yield "", ""
            yield from plan_lines(self._name, self.plan)

    def plan_json(self) -> dict[str, Any]:
        """The part of the document of `plan --json` that is the cluster's; `changes` is null where it is unknown."""
        if self.unseen:
            return {
                "cluster": {
                    "cluster": self._name,
                    "changes": None,
                    "resources": [],
                    "unseen": self.unseen,
                }
            }
        if self.plan is None:
            return {}
        from provision.kafka.resources.show import plan_document

        return {"cluster": plan_document(self._name, self.plan)}

    def applied_lines(self) -> Iterator[Line]:
        """What became of the cluster's plan, below the hosts."""
        if self.applied:
            from provision.kafka.resources.show import applied_lines

            yield from applied_lines(self._name, self.applied)
            if not self.applied.whole:
                yield _STAY, ""

    def applied_json(self) -> dict[str, Any]:
        """The part of the document of `deploy --json` that is the cluster's."""
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

    def _look(self, cluster: KafkaCluster, found: Inspection) -> ClusterPlan:
        from provision.kafka.resources.cluster_plan import planned, refuse
        from provision.kafka.resources.desired import desired, fresh_cluster
        from provision.kafka.resources.plan import plan

        if all(is_new(found, node.host) for node in cluster.brokers):
            wanted = desired(cluster)
            return plan(wanted, fresh_cluster(wanted, self._first_users(cluster)))
        with self._administrator(found) as login:
            seen = planned(cluster, login, prune=False)
        refuse(cluster, seen)
        return seen

    def _first_users(self, cluster: KafkaCluster) -> tuple[str, ...]:
        return first_users(cluster, self.project.topology.frontends) if self.project else ()

    @contextmanager
    def _administrator(self, found: Inspection) -> Iterator[Login]:
        from provision.kafka.ssh_tunnel import administrator

        assert self.project
        with administrator(self.project, lambda host: found.sessions[host]) as login:
            yield login

    def _awaited(
        self, cluster: KafkaCluster, login: Login, found: Inspection, events: Events
    ) -> ClusterPlan:
        """The plan, once the cluster answers and everything in it can be done, or what stands against it at last."""
        from provision.kafka.resources.cluster_plan import planned, refuse
        from provision.kafka.resources.observe import NotAdmitted

        until = time.monotonic() + (START if found.changes() else 0)
        while True:
            try:
                seen = planned(cluster, login, prune=False)
                refuse(cluster, seen)
                return seen
            except (InputError, NotAdmitted):
                raise
            except HactlError as error:
                if time.monotonic() > until:
                    raise
                events.note(f"cluster {self._name} is not ready yet: {error.line()}")
            time.sleep(POLL_INTERVAL)


_STAY = "The hosts stay as deployed; `hactl kafka apply` goes on from here."
_LIMITED = "this run is limited to some hosts"


def _says_more(project: Project) -> bool:
    """Whether the inventory says more of a cluster than its first users."""
    cluster = project.topology.kafka
    if cluster is None:
        return False
    users = cluster.model.users
    first = first_users(cluster, project.topology.frontends)
    granted = any(user.acls or user.quotas.model_dump(exclude_none=True) for user in users.values())
    return bool(
        cluster.model.topics or granted or (cluster.model.scram and set(users) - set(first))
    )


def is_new(found: Inspection, host: str) -> bool:
    """Whether no broker was ever deployed on a host."""
    plan = found.plans.get(host)
    return plan is not None and any(
        each.name == UNIT and each.action == "create" for each in plan.changes
    )
