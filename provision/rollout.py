"""The rollout: look at all hosts at once, then change them in an order that keeps the VIP served.

All hosts prepare first, at once: lock, packages, staging, validation. Only when every host is ready do changes begin:
real servers, then backup directors, then masters. A batch is held open until every host of it has applied; then all are
confirmed. One failure rolls the batch back, leaves the rest as it was and ends the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from provision.apply import REFUSED, Transaction, Waiting, build_payload, prepare, recover
from provision.desired import DesiredHost
from provision.errors import Exit, HactlError, HostError, Locked, Unreachable
from provision.events import Events
from provision.facts import Facts
from provision.observe import observe
from provision.plan import HostPlan, mask, operations, plan_host
from provision.remote.protocol import LockHolder
from provision.remote.ssh import Session, connect
from provision.remote.target import Target

#: How many hosts are talked to at once: about 3 ms of CPU a host on the controller, and sshd's MaxStartups is per host.
PARALLEL = 32
#: Seconds until a host that hears nothing more undoes what it was told to do.
DEADLINE = 60


@dataclass(frozen=True)
class HostResult:
    """How one host came out of a run.

    `outcome` is changed, unchanged, failed, unreachable, skipped or rolled_back; `message` says what state the
    host is in when that is not obvious.
    """

    host: str
    outcome: str
    changes: int = 0
    execs: int = 0
    seconds: float = 0.0
    message: str = ""
    exit_code: Exit = Exit.OK

    def json(self) -> dict[str, str | int | float]:
        """The host's entry in `deploy --json`."""
        entry: dict[str, str | int | float] = {
            "outcome": self.outcome,
            "changes": self.changes,
            "execs": self.execs,
            "seconds": round(self.seconds, 3),
        }
        if self.message:
            entry["message"] = self.message
        return entry


@dataclass
class Survey:
    """All hosts as they were found, their connections still open, and what is to be done to each."""

    plans: dict[str, HostPlan] = field(default_factory=dict)
    failures: dict[str, HactlError] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    interrupted: bool = False

    def next_generation(self) -> int:
        """The number of the generation that comes of this survey: one more than any host has."""
        return 1 + max((plan.observed.generation for plan in self.plans.values()), default=0)

    def changes(self) -> int:
        """How many changes all hosts need together."""
        return sum(len(plan.changes) for plan in self.plans.values())

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


Result = TypeVar("Result")
Render = Callable[[str, Facts], DesiredHost]


@contextmanager
def survey(
    targets: Mapping[str, Target], render: Render, secrets: frozenset[str], events: Events, *, mend: bool = False
) -> Iterator[Survey]:
    """Connect to all targets, look at them and plan; the connections close when the block ends.

    Where a run was cut off, `mend` ends it first; without it, it is only told.
    """
    found = Survey()
    mending = _Mending(mend, events)
    try:
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="survey") as pool:
            list(pool.map(lambda target: _look(target, render, secrets, found, mending), targets.values()))
        found.plans = {host: found.plans[host] for host in targets if host in found.plans}
        yield found
    finally:
        for session in found.sessions.values():
            session.close()


@dataclass(frozen=True)
class _Mending:
    """What becomes of a run that was cut off on a host."""

    allowed: bool
    events: Events

    def begin(self, session: Session, unfinished: LockHolder) -> bool:
        """End it, or tell of it; True where the host has to be looked at again."""
        what = f"{session.host}: a run of {unfinished.who} since {unfinished.since or 'unknown'} was cut off here"
        if not self.allowed:
            self.events.note(f"{what}; deploy undoes it first, so its plan may differ from this one")
            return False
        done = recover(session)
        ended = "its confirmed changes were completed" if done and done.outcome == "kept" else "its changes were undone"
        self.events.note(f"{what}: {ended} just now")
        return True


def _look(target: Target, render: Render, secrets: frozenset[str], found: Survey, mending: _Mending) -> None:
    started = time.monotonic()
    events = mending.events
    try:
        session = found.sessions[target.host] = connect(target)
        desired, observed = observe(session, lambda facts: render(target.host, facts))
        if observed.unfinished and mending.begin(session, observed.unfinished):
            desired, observed = observe(session, lambda facts: render(target.host, facts))
        found.plans[target.host] = plan_host(desired, observed, secrets)
        events.host(target.host, "looked at")
    except HactlError as error:
        found.failures[target.host] = _not_ready(error)
        events.host(target.host, "failed")
    found.seconds[target.host] = time.monotonic() - started


@dataclass(frozen=True)
class Rollout:
    """What a deploy needs to know beside the survey: the order, the batch size, who deploys what, and when.

    `number`, `when` (UTC) and `note` are those of the generation that each changed host keeps.
    """

    stages: tuple[tuple[str, ...], ...]
    serial: int
    owner: str
    digest: str
    number: int
    when: str
    note: str = ""

    def batches(self, hosts: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The hosts that have something to change, stage by stage, at most `serial` (0: all) at a time."""
        for stage in self.stages:
            due = [host for host in stage if host in hosts]
            size = self.serial or len(due) or 1
            yield from (tuple(due[start : start + size]) for start in range(0, len(due), size))


def deploy(found: Survey, rollout: Rollout, events: Events) -> dict[str, HostResult]:
    """Prepare all hosts at once, then apply the surveyed plans batch by batch.

    Nothing but packages changes anywhere before every host has staged and validated everything. Returns a result for
    every surveyed host and never raises for a host's failure. Ctrl-C rolls the running batch back and ends the run;
    `found.interrupted` tells.
    """
    due = [host for host, plan in found.plans.items() if plan.changes]
    results = {host: _result(found, host, "unchanged") for host in found.plans if host not in due}
    with Waiting() as patience:
        begun_all = _each(found, events, lambda host: _prepare(found, rollout, host, patience, events), due)
        return results | _go_on(found, rollout, dict(zip(due, begun_all, strict=True)), events)


def _go_on(
    found: Survey, rollout: Rollout, begun: Mapping[str, Transaction | HostError], events: Events
) -> dict[str, HostResult]:
    """Apply what was prepared, batch by batch, while every host is ready; let go of the rest."""
    refused = {host: error for host, error in begun.items() if isinstance(error, HostError)}
    waiting = {host: begun_one for host, begun_one in begun.items() if isinstance(begun_one, Transaction)}
    results = {host: _failure(found, host, error) for host, error in refused.items()}
    stopped = bool(refused) or found.interrupted
    for batch in rollout.batches(list(begun)):
        if stopped:
            break
        done = _run_batch(found, {host: waiting.pop(host) for host in batch}, events)
        results |= done
        stopped = found.interrupted or any(result.outcome != "changed" for result in done.values())
    left = _each(found, events, lambda host: _let_go(found, host, waiting[host]), list(waiting))
    return results | dict(zip(waiting, left, strict=True))


def refusals(found: Survey, hosts: Iterable[str]) -> list[HostResult]:
    """The results of a deploy that never began, because some of `hosts` could not be looked at."""
    return [
        _failure(found, host, found.failures[host]) if host in found.failures else _untouched(found, host)
        for host in hosts
    ]


def _untouched(found: Survey, host: str) -> HostResult:
    return _result(found, host, "skipped", "not touched: as it was")


def _result(found: Survey, host: str, outcome: str, message: str = "", code: Exit = Exit.OK) -> HostResult:
    changes = len(found.plans[host].changes) if outcome == "changed" else 0
    execs = found.sessions[host].execs if host in found.sessions else 0
    return HostResult(host, outcome, changes, execs, found.seconds[host], message, code)


def _run_batch(found: Survey, batch: dict[str, Transaction], events: Events) -> dict[str, HostResult]:
    """Apply to every host of the batch, then confirm them all or roll them all back."""
    errors = dict(
        zip(batch, _each(found, events, lambda host: _apply(found, host, batch[host], events), batch), strict=True)
    )
    if found.interrupted or any(errors.values()):
        done = _each(found, events, lambda host: _roll_back(found, host, batch[host], errors[host], events), batch)
    else:
        done = _each(found, events, lambda host: _confirm(found, host, batch[host], events), batch)
    return dict(zip(batch, done, strict=True))


def _each(found: Survey, events: Events, job: Callable[[str], Result], hosts: Iterable[str]) -> list[Result]:
    """Run `job` for all hosts at once and wait for all of them.

    The first Ctrl-C ends nothing by force: it is noted, so that the batch is rolled back instead of confirmed and
    every host's state is known in the end. The second one stops at once.
    """
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="hosts") as pool:
        futures = [pool.submit(job, host) for host in hosts]
        try:
            wait(futures)
        except KeyboardInterrupt:
            found.interrupted = True
            events.note("interrupted: rolling the running batch back; Ctrl-C again leaves at once")
        return [future.result() for future in futures]


def _prepare(found: Survey, rollout: Rollout, host: str, patience: Waiting, events: Events) -> Transaction | HostError:
    with _timed(found, host):
        try:
            plan = found.plans[host]
            packages = [change.name for change in plan.changes if change.kind == "package"]
            events.host(host, f"installing {', '.join(packages)}" if packages else "validating")
            kept = plan.generation(rollout.number, rollout.owner, rollout.when, rollout.digest, rollout.note)
            payload = build_payload(*operations(plan, kept))
            who, counts = (rollout.owner, rollout.digest), kept.counts.replace(" ", "")
            transaction = prepare(found.sessions[host], payload, *who, DEADLINE, rollout.number, counts)
            patience.add(transaction)
        except HostError as error:
            events.host(host, "refused")
            return _not_ready(error)
    events.host(host, "ready")
    return transaction


Error = TypeVar("Error", bound=HactlError)


def _not_ready(error: Error) -> Error:
    """The error of a host that could not be looked at or made ready: nothing was changed there, nor anywhere.

    A file its own parser refuses is wrong input; anything else makes the host one that cannot be used.
    """
    if error.exit_code == Exit.FAILED:
        refused = REFUSED in error.message
        error.exit_code = Exit.INPUT if refused else Exit.UNREACHABLE
    return error


def _apply(found: Survey, host: str, transaction: Transaction, events: Events) -> HostError | None:
    events.host(host, f"applying {len(found.plans[host].changes)} changes")
    with _timed(found, host):
        try:
            transaction.apply()
        except HostError as error:
            events.host(host, "failed")
            return error
    return None


def _confirm(found: Survey, host: str, transaction: Transaction, events: Events) -> HostResult:
    with _timed(found, host):
        try:
            transaction.confirm()
        except HostError as error:
            return _failure(found, host, error)
    events.host(host, "changed")
    return _result(found, host, "changed")


def _roll_back(
    found: Survey, host: str, transaction: Transaction, failed: HostError | None, events: Events
) -> HostResult:
    if failed:
        return _failure(found, host, failed)
    with _timed(found, host):
        try:
            transaction.roll_back()
        except HostError as error:
            return _failure(found, host, error)
    events.host(host, "rolled back")
    cause = "interrupted" if found.interrupted else "another host of its batch failed"
    return _result(found, host, "rolled_back", f"{cause}; rolled back: as it was", Exit.FAILED)


def _let_go(found: Survey, host: str, transaction: Transaction) -> HostResult:
    """End the transaction of a host whose turn never came."""
    try:
        transaction.roll_back()
    except HostError as error:
        return _failure(found, host, error)
    return _untouched(found, host)


@contextmanager
def _timed(found: Survey, host: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        found.seconds[host] += time.monotonic() - started


def _failure(found: Survey, host: str, error: HactlError) -> HostResult:
    outcome = "unreachable" if isinstance(error, Unreachable) else "failed"
    code = Exit.LOCKED if isinstance(error, Locked) else error.exit_code
    secrets = found.plans[host].secrets if host in found.plans else ()
    message = mask(str(error).removeprefix(f"{host}: "), secrets)  # a parser quotes the line that it refuses
    return _result(found, host, outcome, message, code)
