"""The users of the directors' checks: brokers must accept their logins before a director uses them.

If the brokers refuse a check's login, a director removes all brokers: the VIP would reach none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provision.core.errors import HactlError, Unreachable
from provision.core.events import Events
from provision.deploy.inspection import Inspection
from provision.deploy.project import Project
from provision.desired.items import File
from provision.inventory.kafka import KafkaCluster
from provision.kafka.resources.deploy import is_new

if TYPE_CHECKING:
    from provision.kafka.client_file import Login

SETTINGS = "/etc/hactl/kafka-ready.json"
"""The logins of a director's kafka-ready (roles/kafka_check)."""

HINT = """\
change the password with a second user: give another user the new password and deploy; then
  name that user as `login` of the check, and deploy again (docs/kafka-resources.md).
  If the brokers have a wrong password: `hactl kafka apply`
  Nothing was changed on any host."""


@dataclass(frozen=True)
class CheckLogin:
    """A check's login to a broker, and the broker's address."""

    user: str
    mechanism: str
    name: str
    port: int
    password: str = field(repr=False)


def prepare(project: Project, inspection: Inspection, events: Events, *, lab: bool) -> None:
    """Make sure that brokers accept the check logins that a plan changes; create missing users.

    Does nothing if no broker answers: the checks fail then already.

    Raises:
        NotAdmitted: the brokers refuse the administrator's password.
        HactlError: a broker would refuse a check's login; no host was changed.
    """
    cluster, check_logins = project.topology.kafka, frozenset(_changed_logins(inspection))
    if cluster is None or not check_logins:
        return
    if all(is_new(inspection, node.host) for node in cluster.brokers):
        return
    from provision.kafka.admin import ClusterTimeout
    from provision.kafka.resources.observe import NotAdmitted
    from provision.kafka.rolling.deploy import logins
    from provision.kafka.ssh_tunnel import administrator

    with (
        logins(project, cluster, inspection, lab) as sessions,
        administrator(project, sessions) as login,
    ):
        try:
            for user in _create_users(cluster, login, {check.user for check in check_logins}):
                reason = "because directors log in as it"
                events.note(f"cluster {cluster.model.name}: created user {user} first, {reason}")
        except NotAdmitted:
            raise
        except Unreachable:
            return
        except ClusterTimeout:  # no user can be created now; the logins can still be tested
            pass
        refusals = {
            f"{check.name} as {check.user}"
            for check in check_logins
            if not _is_admitted(login, check)
        }
    if refusals:
        raise _refused(cluster, refusals)


def _refused(cluster: KafkaCluster, refusals: Iterable[str]) -> HactlError:
    return HactlError(
        f"cluster {cluster.model.name}: the login of the directors' check is refused by "
        f"{', '.join(sorted(refusals))}: every director would remove all brokers",
        HINT,
    )


def _changed_logins(inspection: Inspection) -> Iterator[CheckLogin]:
    """Yield the logins of checks that a plan changes on a director."""
    for plan in inspection.plans.values():
        item = plan.desired.get("file", SETTINGS)
        if isinstance(item, File) and any(change.name == SETTINGS for change in plan.changes):
            for broker in json.loads(item.content).values():
                yield CheckLogin(
                    *(broker[key] for key in ("user", "mechanism", "name", "port", "password"))
                )


def _create_users(cluster: KafkaCluster, login: Login, users: Iterable[str]) -> tuple[str, ...]:
    """Create the users of the inventory that the cluster does not have, and return them."""
    from provision.kafka.resources.cluster_plan import apply_plan, passwords
    from provision.kafka.resources.desired import desired
    from provision.kafka.resources.observe import observe
    from provision.kafka.resources.plan import ClusterPlan, SetCredential, plan

    everything = desired(cluster)
    iterations = {user: number for user, number in everything.users.items() if user in users}
    only_users = replace(everything, users=iterations, topics={}, acls=frozenset(), quotas={})
    steps = plan(only_users, observe(login, only_users, passwords(cluster)), prune=False).steps
    new = [
        step
        for step in steps
        if isinstance(step.operation, SetCredential) and step.change.action == "create"
    ]
    if new and not apply_plan(cluster, login, ClusterPlan(tuple(new))).complete:
        raise HactlError(
            f"cluster {cluster.model.name}: the users of the checks cannot be created", HINT
        )
    return tuple(dict.fromkeys(step.change.name for step in new))


def _is_admitted(login: Login, check: CheckLogin) -> bool:
    """Return whether a broker accepts a check's login; True if the broker does not answer."""
    from provision.kafka.resources.observe import RETRY_DELAY, can_log_in

    check_login = replace(
        login,
        bootstrap=((check.name, check.port),),
        mechanism=check.mechanism,
        user=check.user,
        password=check.password,
    )
    try:
        if can_log_in(check_login):
            return True
        time.sleep(RETRY_DELAY)
        return can_log_in(check_login)
    except Unreachable:
        return True
