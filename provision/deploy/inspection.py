"""The inspection: all hosts at once, and the plan of each; their connections stay open."""

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
    """The plans of all hosts that answered, the errors of the others, and the open connections.

    `hosts` are all hosts that were to be inspected. `seconds` is the time spent on each host.
    `interrupted` is set after a Ctrl-C. `outside` is the summary of the check from outside.
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
        """The hosts that could be inspected, and the errors of the others."""
        failed = (host for host in self.hosts if host in self.failures)
        return Coverage(self.hosts, {host: self.failures[host].line() for host in failed})

    def next_generation(self) -> int:
        """The number of the generation of this run: the highest number of any host plus 1."""
        return 1 + max((plan.observed.generation for plan in self.plans.values()), default=0)

    def changes(self) -> int:
        """The number of changes on all hosts together."""
        return sum(len(plan.changes) for plan in self.plans.values())

    def run_on_hosts(
        self, events: Events, job: Callable[[str], Result], hosts: Iterable[str]
    ) -> list[Result]:
        """Run `job` for all hosts at once and wait for all of them.

        The first Ctrl-C ends no job by force. It sets `interrupted`, so that the batch is rolled
        back instead of confirmed, and the state of every host is known in the end. The second
        Ctrl-C stops at once.
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
        """Add the time of the block to this host's seconds."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[host] += time.monotonic() - started

    def raise_failures(self) -> None:
        """Raise the errors of hosts that could not be inspected; the worst decides the exit code.

        Raises:
            HactlError: one error with the messages of all.
        """
        raise_all(list(self.failures.values()))


def raise_all(errors: Sequence[HactlError]) -> None:
    """Raise the only error, or one error with all messages; do nothing without an error.

    The exit code is that of wrong input if an error has it, else that of the first error.
    """
    unique = {str(error): error for error in errors}
    if len(unique) == 1:
        raise next(iter(unique.values()))
    if unique:
        worst = max(unique.values(), key=lambda error: error.exit_code == Exit.INPUT)
        combined = HactlError("\n".join(unique))
        combined.exit_code = worst.exit_code
        raise combined


@contextmanager
def inspect(
    targets: Mapping[str, Target],
    render: Render,
    secrets: frozenset[str],
    events: Events,
    *,
    mend: bool = False,
) -> Iterator[Inspection]:
    """Connect to all targets, inspect them and plan; the connections close when the block ends.

    With `mend`, a run that was interrupted on a host is finished or rolled back first; without it,
    the operator is only told. A Ctrl-C during the inspection does not wait for any host.
    """
    inspection = Inspection(hosts=tuple(targets))
    recovery = _Recovery(mend, events)
    try:
        try:
            run_parallel(
                lambda target: _inspect_target(target, render, secrets, inspection, recovery),
                targets.values(),
            )
        except KeyboardInterrupt:
            inspection.interrupted = True
            exception = recovery.exception()
            events.note(
                f"interrupted while the hosts were inspected: nothing was changed{exception}"
            )
            raise
        plans = inspection.plans
        ordered = {host: plans[host] for host in targets if host in plans}
        inspection.plans = compare(ordered, inspection.sessions.__getitem__)
        yield inspection
    finally:
        for session in tuple(inspection.sessions.values()):
            session.close()


@dataclass(frozen=True)
class _Recovery:
    """The recovery from runs that were interrupted; `started` has the hosts that recovered."""

    allowed: bool
    events: Events
    started: list[str] = field(default_factory=list)

    def exception(self) -> str:
        """The exception to "nothing was changed", in words; empty if no recovery started."""
        hosts = ", ".join(self.started)
        return f", except that the interrupted run on {hosts} was ended" if hosts else ""

    def recover(self, session: SshSession, unfinished: LockHolder) -> bool:
        """Recover from the run, or only report it; returns whether to inspect the host again."""
        run = (
            f"{session.host}: a run of {unfinished.who} since {unfinished.since or 'unknown'} "
            "was interrupted here"
        )
        if not self.allowed:
            self.events.note(
                f"{run}; deploy rolls it back first, so the deploy's plan may differ from this plan"
            )
            return False
        self.started.append(session.host)
        end = recover(session)
        kept = end and end.outcome == "kept"
        result = "its confirmed changes were completed" if kept else "its changes were rolled back"
        self.events.note(f"{run}: {result} just now")
        return True


def _inspect_target(
    target: Target,
    render: Render,
    secrets: frozenset[str],
    inspection: Inspection,
    recovery: _Recovery,
) -> None:
    started = time.monotonic()
    events = recovery.events
    try:
        session = inspection.sessions[target.host] = connect(target)
        if inspection.interrupted:
            session.close()
            return
        plan = inspect_host(session, render, secrets)
        if plan.observed.unfinished and recovery.recover(session, plan.observed.unfinished):
            plan = inspect_host(session, render, secrets)
        inspection.plans[target.host] = plan
        events.host(target.host, "inspected")
    except HactlError as error:
        inspection.failures[target.host] = not_ready(error)
        events.host(target.host, "failed")
    inspection.seconds[target.host] = time.monotonic() - started


Failure = TypeVar("Failure", bound=HactlError)


def not_ready(error: Failure) -> Failure:
    """The error of a host that could not be inspected or prepared, with its exit code set.

    Nothing was changed on any host. A file that its parser refuses is wrong input; with any other
    error the host cannot be used.
    """
    is_inconsistent = isinstance(error, ApplyFailed) and error.outcome == "rollback_failed"
    if error.exit_code == Exit.FAILED and not is_inconsistent:
        refused = REFUSED in error.message
        error.exit_code = Exit.INPUT if refused else Exit.UNREACHABLE
    return error
