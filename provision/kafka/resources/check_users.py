"""The logins of directors' checks: let in by the brokers before a director is told of them.

A login that brokers refuse takes all of them out, on each director as soon as it has it: the VIP would lead nowhere.
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
"""What a director's kafka-ready logs in with (roles/kafka_check)."""

HINT = """\
two logins at once are the way: give another user the new password, deploy, then name it as `login` of the check and
  deploy again (docs/kafka-resources.md). Where the brokers have the wrong password: `hactl kafka apply`
  Nothing was changed on any host."""


@dataclass(frozen=True)
class CheckLogin:
    """As whom directors will ask a broker, and where it is."""

    user: str
    mechanism: str
    name: str
    port: int
    password: str = field(repr=False)


def prepare(project: Project, found: Inspection, events: Events, *, lab: bool) -> None:
    """Have brokers let in the checks of directors whose settings a plan changes: a user that is missing is made.

    Nothing where no broker answers: no check passes then as it is.

    Raises:
        NotAdmitted: the administrator's own password is another one.
        HactlError: a broker would refuse a check; no host was changed.
    """
    cluster, asked = project.topology.kafka, frozenset(_asked(found))
    if cluster is None or not asked or all(is_new(found, node.host) for node in cluster.brokers):
        return
    from provision.kafka.admin import ClusterTimeout
    from provision.kafka.resources.observe import NotAdmitted
    from provision.kafka.rolling.deploy import logins
    from provision.kafka.ssh_tunnel import administrator

    with (
        logins(project, cluster, found, lab) as sessions,
        administrator(project, sessions) as login,
    ):
        try:
            for user in _made(cluster, login, {each.user for each in asked}):
                events.note(
                    f"cluster {cluster.model.name}: user {user} is made first, directors log in as it"
                )
        except NotAdmitted:
            raise
        except Unreachable:
            return
        except (
            ClusterTimeout
        ):  # no user can be made now; who is let in all the same, each broker says by itself
            pass
        refusing = sorted(
            {f"{each.name} as {each.user}" for each in asked if not _let_in(login, each)}
        )
    if refusing:
        what = f"directors would not be let in by {', '.join(refusing)}: each would take all brokers out"
        raise HactlError(f"cluster {cluster.model.name}: {what}", HINT)


def _asked(found: Inspection) -> Iterator[CheckLogin]:
    """The logins of checks that are new on some director."""
    for plan in found.plans.values():
        item = plan.desired.get("file", SETTINGS)
        if isinstance(item, File) and any(each.name == SETTINGS for each in plan.changes):
            for broker in json.loads(item.content).values():
                yield CheckLogin(
                    *(broker[key] for key in ("user", "mechanism", "name", "port", "password"))
                )


def _made(cluster: KafkaCluster, login: Login, users: Iterable[str]) -> tuple[str, ...]:
    """Make the users of the inventory that the cluster does not have; which those were."""
    from provision.kafka.resources.cluster_plan import done, passwords
    from provision.kafka.resources.desired import desired
    from provision.kafka.resources.observe import observe
    from provision.kafka.resources.plan import ClusterPlan, SetCredential, plan

    everything = desired(cluster)
    own = {user: iterations for user, iterations in everything.users.items() if user in users}
    wanted = replace(everything, users=own, topics={}, acls=frozenset(), quotas={})
    steps = plan(wanted, observe(login, wanted, passwords(cluster)), prune=False).steps
    new = [
        each
        for each in steps
        if isinstance(each.deed, SetCredential) and each.change.action == "create"
    ]
    if new and not done(cluster, login, ClusterPlan(tuple(new))).whole:
        raise HactlError(
            f"cluster {cluster.model.name}: the users of the checks cannot be made", HINT
        )
    return tuple(dict.fromkeys(each.change.name for each in new))


def _let_in(login: Login, asked: CheckLogin) -> bool:
    """Whether a broker lets a check in, or does not answer at all, which is none of the login's business."""
    from provision.kafka.resources.observe import RETRY_DELAY, can_log_in

    own = replace(
        login,
        bootstrap=((asked.name, asked.port),),
        mechanism=asked.mechanism,
        user=asked.user,
        password=asked.password,
    )
    try:
        if can_log_in(own):
            return True
        time.sleep(RETRY_DELAY)
        return can_log_in(own)
    except Unreachable:
        return True
