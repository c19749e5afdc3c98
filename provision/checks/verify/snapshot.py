"""Everything the suite's checks are about, taken once: all hosts at the same time, and the wire from the client."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from provision.checks.verify.wire import WireAnswers, questions
from provision.core.errors import HostError
from provision.core.events import Events
from provision.deploy.host_inspection import compare, inspect_host
from provision.deploy.plan import Change, HostPlan
from provision.deploy.project import Project
from provision.hosts.agent.look import look
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.parallel import PARALLEL
from provision.hosts.sessions import Sessions
from provision.prober.wire import ask


@dataclass(frozen=True)
class VerifySnapshot:
    """What was found: the hosts that could be looked at, the errors of the others, and what the wire said.

    `changes` is what a deploy would change on each managed host, `unknown` the files there that cannot be compared.
    """

    seen: Snapshot
    errors: Mapping[str, HostError] = field(default_factory=dict)
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    wire: WireAnswers = field(default_factory=WireAnswers)
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def require(self, *hosts: str) -> None:
        """Raise the HostError of the first of these hosts that could not be looked at."""
        for host in hosts:
            if host in self.errors:
                raise self.errors[host]


def take(project: Project, sessions: Sessions, events: Events) -> VerifySnapshot:
    """Look at every managed host and the client at once, compare the former with the inventory, and ask the wire.

    A host that cannot be reached is in `errors`.

    Raises:
        InputError: the inventory does not fit what a host is.
    """
    topology = project.topology
    client = topology.clients[0] if topology.clients else ""
    managed = set(topology.managed())
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="verify") as pool:
        looks = {host: pool.submit(_look, sessions, host, events) for host in sessions.targets}
        plans = {
            host: pool.submit(_plan, project, sessions, host, looks[host])
            for host in managed & set(looks)
        }
        near = {host: looks[host] for host in topology.real_servers() if host in looks}
        wire = pool.submit(_ask, project, sessions, client, near)
        found, errors = _sorted(looks)
        results = {host: plan.result() for host, plan in plans.items()}
        answers = wire.result()
    errors |= {host: result for host, result in results.items() if isinstance(result, HostError)}
    known = compare(
        {host: plan for host, plan in results.items() if isinstance(plan, HostPlan)}, sessions.of
    )
    changes = {host: plan.changes for host, plan in known.items()}
    unknown = {host: plan.unknown for host, plan in known.items() if plan.unknown}
    return VerifySnapshot(Snapshot(topology, found), errors, changes, answers, unknown)


def _sorted(
    looks: Mapping[str, Future[LiveHost | HostError]],
) -> tuple[dict[str, LiveHost], dict[str, HostError]]:
    results = {host: future.result() for host, future in looks.items()}
    lives = {host: live for host, live in results.items() if isinstance(live, LiveHost)}
    return lives, {host: error for host, error in results.items() if isinstance(error, HostError)}


def _look(sessions: Sessions, host: str, events: Events) -> LiveHost | HostError:
    try:
        live = look(sessions.of(host))
    except HostError as error:
        events.host(host, "failed")
        return error
    events.host(host, "looked at")
    return live


def _plan(
    project: Project, sessions: Sessions, host: str, looked: Future[LiveHost | HostError]
) -> HostPlan | HostError:
    """What a deploy would change on a host; after the look, since a slow host does not do two things faster at once."""
    if isinstance(failed := looked.result(), HostError):
        return failed
    try:
        return inspect_host(sessions.of(host), project.render, project.inventory.secrets)
    except HostError as error:
        return error


def _ask(
    project: Project,
    sessions: Sessions,
    client: str,
    near: Mapping[str, Future[LiveHost | HostError]],
) -> WireAnswers:
    """The wire's answers; asked as soon as the real servers' hardware addresses are known."""
    if not client:
        return WireAnswers(
            reason="the inventory has no host in the group `clients`, from where the wire could be asked"
        )
    lives, _ = _sorted(near)
    asked = questions(Snapshot(project.topology, lives))
    try:
        session = sessions.of(client)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=True)
    try:
        answers = ask(session, asked)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=session.is_dead())
    return WireAnswers(client, dict(zip(asked, answers, strict=True)))
