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
from dataclasses import dataclass
from typing import TypeVar

from provision.apply import Transaction, Waiting, build_payload, prepare
from provision.errors import Exit, HactlError, HostError, Locked, Unreachable
from provision.events import Events
from provision.outcome import HostResult
from provision.plan import mask, operations
from provision.survey import PARALLEL, Survey, not_ready

Result = TypeVar("Result")

#: Seconds until a host that hears nothing more undoes what it was told to do.
DEADLINE = 60


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
            return not_ready(error)
    events.host(host, "ready")
    return transaction


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
