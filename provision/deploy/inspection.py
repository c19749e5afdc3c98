"""The survey: all hosts looked at at once, and what is to be done to each; their connections stay open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError
from provision.core.events import Events
from provision.deploy.host_inspection import Render, compare, inspect_host
from provision.deploy.plan import HostPlan
from provision.hosts.agent.transaction import REFUSED, ApplyFailed, recover
from provision.hosts.parallel import AWAKE, PARALLEL, run_parallel
from provision.hosts.protocol import LockHolder
from provision.hosts.ssh import SshSession, connect
from provision.hosts.target import Target

Result = TypeVar("Result")


@dataclass
class Inspection:
    """All hosts as they were found, their connections still open, and what is to be done to each.

    `hosts` are those that were looked for. `interrupted` tells of a Ctrl-C, `outside` what became of its check from
    outside.
    """

    plans: dict[str, HostPlan] = field(default_factory=dict)
    failures: dict[str, HactlError] = field(default_factory=dict)
    sessions: dict[str, SshSession] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False
    outside: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def coverage(self) -> Coverage:
        """Which hosts could be looked at."""
        failed = (host for host in self.hosts if host in self.failures)
        return Coverage(self.hosts, {host: self.failures[host].line() for host in failed})

    def next_generation(self) -> int:
        """The number of the generation that comes of this survey: one more than any host has."""
        return 1 + max((plan.observed.generation for plan in self.plans.values()), default=0)

    def changes(self) -> int:
        """How many changes all hosts need together."""
        return sum(len(plan.changes) for plan in self.plans.values())

    def each(
        self, events: Events, job: Callable[[str], Result], hosts: Iterable[str]
    ) -> list[Result]:
        """Run `job` for all hosts at once and wait for all of them.

        The first Ctrl-C ends nothing by force: it is noted, so that the batch is rolled back instead of confirmed and
        every host's state is known in the end. The second one stops at once.
        """
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="hosts") as pool:
            futures = [pool.submit(job, host) for host in hosts]
            try:
                while wait(futures, AWAKE).not_done:
                    pass
            except KeyboardInterrupt:
                self.interrupted = True
                events.note(
                    "interrupted: rolling the running batch back; Ctrl-C again leaves at once"
                )
            return [future.result() for future in futures]

    @contextmanager
    def timed(self, host: str) -> Iterator[None]:
        """Count the time of the block as this host's."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[host] += time.monotonic() - started

    def raise_failures(self) -> None:
        """Raise what kept hosts from being surveyed; the worst decides the exit code.

        Raises:
            HactlError: one error that names all of them.
        """
        raise_all(list(self.failures.values()))


def raise_all(errors: Sequence[HactlError]) -> None:
    """Raise nothing, the one error, or one that holds them all under the exit code of the first."""
    unique = {str(error): error for error in errors}
    if len(unique) == 1:
        raise next(iter(unique.values()))
    if unique:
        worst = max(unique.values(), key=lambda error: error.exit_code == Exit.INPUT)
        both = HactlError("\n".join(unique))
        both.exit_code = worst.exit_code
        raise both


@contextmanager
def inspect(
    targets: Mapping[str, Target],
    render: Render,
    secrets: frozenset[str],
    events: Events,
    *,
    mend: bool = False,
) -> Iterator[Inspection]:
    """Connect to all targets, look at them and plan; the connections close when the block ends.

    Where a run was cut off, `mend` ends it first; without it, it is only told. A Ctrl-C meanwhile waits for nobody.
    """
    found = Inspection(hosts=tuple(targets))
    mending = _Recovery(mend, events)
    try:
        try:
            run_parallel(
                lambda target: _look(target, render, secrets, found, mending), targets.values()
            )
        except KeyboardInterrupt:
            found.interrupted = True
            events.note(
                f"interrupted while the hosts were looked at: nothing was changed{mending.but()}"
            )
            raise
        plans = {host: found.plans[host] for host in targets if host in found.plans}
        found.plans = compare(plans, found.sessions.__getitem__)
        yield found
    finally:
        for session in tuple(found.sessions.values()):
            session.close()


@dataclass(frozen=True)
class _Recovery:
    """What becomes of a run that was cut off on a host."""

    allowed: bool
    events: Events
    begun: list[str] = field(default_factory=list)

    def but(self) -> str:
        """What has been done all the same."""
        return (
            f", but that what was cut off on {', '.join(self.begun)} is ended there"
            if self.begun
            else ""
        )

    def begin(self, session: SshSession, unfinished: LockHolder) -> bool:
        """End it, or tell of it; True where the host has to be looked at again."""
        what = f"{session.host}: a run of {unfinished.who} since {unfinished.since or 'unknown'} was cut off here"
        if not self.allowed:
            self.events.note(
                f"{what}; deploy undoes it first, so its plan may differ from this one"
            )
            return False
        self.begun.append(session.host)
        done = recover(session)
        ended = (
            "its confirmed changes were completed"
            if done and done.outcome == "kept"
            else "its changes were undone"
        )
        self.events.note(f"{what}: {ended} just now")
        return True


def _look(
    target: Target, render: Render, secrets: frozenset[str], found: Inspection, mending: _Recovery
) -> None:
    started = time.monotonic()
    events = mending.events
    try:
        session = found.sessions[target.host] = connect(target)
        if found.interrupted:
            session.close()
            return
        plan = inspect_host(session, render, secrets)
        if plan.observed.unfinished and mending.begin(session, plan.observed.unfinished):
            plan = inspect_host(session, render, secrets)
        found.plans[target.host] = plan
        events.host(target.host, "looked at")
    except HactlError as error:
        found.failures[target.host] = not_ready(error)
        events.host(target.host, "failed")
    found.seconds[target.host] = time.monotonic() - started


Failure = TypeVar("Failure", bound=HactlError)


def not_ready(error: Failure) -> Failure:
    """The error of a host that could not be looked at or made ready: nothing was changed there, nor anywhere.

    A file its own parser refuses is wrong input; anything else makes the host one that cannot be used.
    """
    gone_wrong = isinstance(error, ApplyFailed) and error.outcome == "rollback_failed"
    if error.exit_code == Exit.FAILED and not gone_wrong:
        refused = REFUSED in error.message
        error.exit_code = Exit.INPUT if refused else Exit.UNREACHABLE
    return error
