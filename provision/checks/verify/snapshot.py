"""The state that the suite checks: all hosts at the same time, and the network from the client."""

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
    """The inspected hosts, the errors of the other hosts, and the network's answers.

    `changes` are the changes of a deploy on each managed host, `unknown` its files that cannot be
    compared.
    """

    seen: Snapshot
    errors: Mapping[str, HostError] = field(default_factory=dict)
    changes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    wire: WireAnswers = field(default_factory=WireAnswers)
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def require(self, *hosts: str) -> None:
        """Check that these hosts were inspected.

        Raises:
            HostError: the error of the first host that was not.
        """
        for host in hosts:
            if host in self.errors:
                raise self.errors[host]


def take(project: Project, sessions: Sessions, events: Events) -> VerifySnapshot:
    """Inspect the managed hosts and the client in parallel, and send the client's questions.

    A host that cannot be reached is in `errors`.

    Raises:
        InputError: the inventory does not fit what a host is.
    """
    topology = project.topology
    client = topology.clients[0] if topology.clients else ""
    managed = set(topology.managed())
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="verify") as pool:
        live_futures = {
            host: pool.submit(_look, sessions, host, events) for host in sessions.targets
        }
        plan_futures = {
            host: pool.submit(_plan, project, sessions, host, live_futures[host])
            for host in managed & set(live_futures)
        }
        real_servers = {
            host: live_futures[host] for host in topology.real_servers() if host in live_futures
        }
        wire = pool.submit(_ask, project, sessions, client, real_servers)
        lives, errors = _results(live_futures)
        results = {host: future.result() for host, future in plan_futures.items()}
        answers = wire.result()
    errors |= {host: error for host, error in results.items() if isinstance(error, HostError)}
    plans = compare(
        {host: plan for host, plan in results.items() if isinstance(plan, HostPlan)}, sessions.of
    )
    changes = {host: plan.changes for host, plan in plans.items()}
    unknown = {host: plan.unknown for host, plan in plans.items() if plan.unknown}
    return VerifySnapshot(Snapshot(topology, lives), errors, changes, answers, unknown)


def _results(
    futures: Mapping[str, Future[LiveHost | HostError]],
) -> tuple[dict[str, LiveHost], dict[str, HostError]]:
    """The inspected hosts, and the errors of the other hosts."""
    results = {host: future.result() for host, future in futures.items()}
    lives = {host: live for host, live in results.items() if isinstance(live, LiveHost)}
    return lives, {host: error for host, error in results.items() if isinstance(error, HostError)}


def _look(sessions: Sessions, host: str, events: Events) -> LiveHost | HostError:
    try:
        live = look(sessions.of(host))
    except HostError as error:
        events.host(host, "failed")
        return error
    events.host(host, "inspected")
    return live


def _plan(
    project: Project, sessions: Sessions, host: str, live: Future[LiveHost | HostError]
) -> HostPlan | HostError:
    """The plan of a host, after its look: a slow host does not run two execs faster in parallel."""
    if isinstance(failure := live.result(), HostError):
        return failure
    try:
        return inspect_host(sessions.of(host), project.render, project.inventory.secrets)
    except HostError as error:
        return error


def _ask(
    project: Project,
    sessions: Sessions,
    client: str,
    real_servers: Mapping[str, Future[LiveHost | HostError]],
) -> WireAnswers:
    """The network's answers; the questions need the real servers' hardware addresses."""
    if not client:
        return WireAnswers(
            reason="the group `clients` has no host, so the network could not be checked"
        )
    lives, _ = _results(real_servers)
    asked_questions = questions(Snapshot(project.topology, lives))
    try:
        session = sessions.of(client)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=True)
    try:
        answers = ask(session, asked_questions)
    except HostError as error:
        return WireAnswers(client, reason=str(error), failed=session.is_dead())
    return WireAnswers(client, dict(zip(asked_questions, answers, strict=True)))
