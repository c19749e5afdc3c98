"""The rollout: all hosts prepare, then they change in an order that keeps the VIPs served.

First all hosts prepare at once: lock, packages, staging, validation. Changes begin only when every
host is ready: real servers first, then backup directors, then masters. A batch stays open until all
of its hosts have applied and the check from outside found the front ends served; then all of them
are confirmed. One failure rolls the batch back, leaves the other hosts as they were and ends the
run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from provision.core.errors import Exit, HostError
from provision.core.events import Events
from provision.deploy.batch import Batch, reloads_keepalived, with_barrier
from provision.deploy.external_check import ExternalCheck
from provision.deploy.inspection import Inspection, not_ready
from provision.deploy.operations import operations
from provision.deploy.plan import HostPlan
from provision.deploy.results import HostResult, ended, failure, skipped
from provision.deploy.server_removal import ServerRemoval
from provision.deploy.vip_removal import defer
from provision.deploy.vrrp_compatibility import (
    CONFIG,
    Incompatibility,
    host_groups,
    incompatibilities,
)
from provision.desired.items import File
from provision.hosts.agent.payload import build_payload
from provision.hosts.agent.transaction import Keepalive, Transaction, prepare

CONFIRM_TIMEOUT = 60
"""Seconds of silence after which a host rolls its changes back."""

SERIAL_CONFIRM_TIMEOUT = 420
"""The same for a host that changes alone: it is confirmed only once it serves again."""


class SerialPolicy(Protocol):
    """The policy for hosts that serve together, such as brokers: they change one at a time.

    An interruption of the run ends the waits.
    """

    def alone(self, hosts: Collection[str]) -> tuple[str, ...]:
        """The hosts of `hosts` that must each be a batch, in this order."""

    def before(self, host: str) -> str:
        """Wait until the host may go down; the reason if it may not, else empty."""

    def after(self, host: str) -> str:
        """Wait until the host serves again; the reason if it does not, else empty.

        Ends within SERIAL_CONFIRM_TIMEOUT.
        """


@dataclass(frozen=True)
class Rollout:
    """The parameters of a deploy: the order of hosts, the batch size, the generation's metadata.

    `stages` are the hosts in order, `serial` is the batch size (0: no limit). `number`, `when`
    (UTC) and `note` belong to the generation that each changed host keeps.
    """

    stages: tuple[tuple[str, ...], ...]
    serial: int
    owner: str
    digest: str
    number: int
    when: str
    note: str = ""

    def batches(
        self, hosts: Sequence[str], joined: Sequence[frozenset[str]] = (), alone: Sequence[str] = ()
    ) -> Iterator[tuple[str, ...]]:
        """The hosts that have changes, stage by stage, at most `serial` (0: all) at a time.

        Each group of `joined` hosts is one batch, after the stage of its last host. The hosts that
        change `alone` come after the other hosts of their stage, in the given order.
        """
        groups = [group & set(hosts) for group in joined if len(group & set(hosts)) > 1]
        grouped = frozenset().union(*groups)
        passed: set[str] = set()
        for stage in self.stages:
            due = [host for host in stage if host in hosts and host not in grouped]
            parallel = [host for host in due if host not in alone]
            size = self.serial or len(parallel) or 1
            for start in range(0, len(parallel), size):
                yield tuple(parallel[start : start + size])
            yield from ((host,) for host in alone if host in due)
            passed |= set(stage)
            for group in [group for group in groups if group <= passed]:
                groups.remove(group)
                yield tuple(host for hosts in self.stages for host in hosts if host in group)


@dataclass(frozen=True)
class BatchOrder:
    """The hosts that change at the same moment, and the hosts that change alone by the policy."""

    joined: tuple[frozenset[str], ...] = ()
    alone: tuple[str, ...] = ()
    policy: SerialPolicy | None = None

    def is_joined(self, host: str) -> bool:
        """Whether the host changes at the same moment as another."""
        return any(host in group for group in self.joined)


def deploy(
    inspection: Inspection,
    rollout: Rollout,
    external_check: ExternalCheck,
    events: Events,
    policy: SerialPolicy | None = None,
) -> dict[str, HostResult]:
    """Prepare all hosts at once, then apply the plans of the inspection batch by batch.

    Until every host has staged and validated everything, only packages change. Returns a result for
    every inspected host and never raises for a host's failure. Ctrl-C rolls the running batch back,
    ends the run and sets `inspection.interrupted`.
    """
    deferred = defer(inspection, external_check.topology.directors())
    due = [host for host, plan in inspection.plans.items() if plan.changes]
    results = {
        host: ended(inspection, host, "unchanged") for host in inspection.plans if host not in due
    }
    if not due:
        return results
    try:
        results |= _run(inspection, rollout, external_check, due, events, policy)
        failed = any(result.exit_code for result in results.values())
        if deferred and not inspection.interrupted and not failed:
            inspection.plans.update(deferred)
            late = replace(
                rollout,
                number=rollout.number + 1,
                note="addresses that no director sends to any more",
            )
            hosts = list(deferred)
            late_results = _run(inspection, late, external_check, hosts, events, None)
            results |= {
                host: replace(result, changes=result.changes + results[host].changes)
                for host, result in late_results.items()
            }
    finally:
        inspection.outside = external_check.summary()
        external_check.close()
    return results


def _run(
    inspection: Inspection,
    rollout: Rollout,
    external_check: ExternalCheck,
    due: Sequence[str],
    events: Events,
    policy: SerialPolicy | None,
) -> dict[str, HostResult]:
    """Prepare the hosts that are due, and carry out their batches."""
    joined = simultaneous_groups(external_check, inspection.plans, due, events)
    alone: tuple[str, ...] = ()
    if policy:
        alone = inspection.run_on_hosts(events, lambda _: policy.alone(due), ("",))[0]
    order = BatchOrder(joined, alone, policy)
    with Keepalive() as keepalive:
        first_look = threading.Thread(
            target=external_check.begin, args=(due,), daemon=True, name="outside"
        )
        first_look.start()
        prepared = inspection.run_on_hosts(
            events,
            lambda host: _prepare(inspection, rollout, host, order, keepalive, events),
            due,
        )
        first_look.join()
        if gap := external_check.gap():
            events.note(gap)
        transactions = dict(zip(due, prepared, strict=True))
        return _apply_batches(inspection, rollout, external_check, transactions, order, events)


def simultaneous_groups(
    external_check: ExternalCheck, plans: Mapping[str, HostPlan], due: Sequence[str], events: Events
) -> tuple[frozenset[str], ...]:
    """The directors that must change at the same moment; the operator is told why."""
    pairs: list[Incompatibility] = []
    for frontend in external_check.topology.frontends:
        hosts = [director.host for director in frontend.directors if director.host in plans]
        texts = {host: _old_and_new_config(plans[host]) for host in hosts}
        pairs += incompatibilities(
            {host: old for host, (old, _) in texts.items() if old is not None},
            {host: new for host, (_, new) in texts.items() if new is not None},
        )
    groups = tuple(
        group & set(due)
        for group in host_groups(tuple(dict.fromkeys(pairs)))
        if len(group & set(due)) > 1
    )
    for reason in dict.fromkeys(
        pair.reason for pair in pairs if any(pair.hosts & group for group in groups)
    ):
        events.note(
            f"{reason}: the directors change at the same moment, "
            "because in between they would refuse each other's adverts"
        )
    return groups


def _old_and_new_config(plan: HostPlan) -> tuple[str | None, str | None]:
    """The present and the desired configuration of a director's Keepalived."""
    item, old = plan.desired.get("file", CONFIG), plan.observed.items.get(("file", CONFIG))
    new = item.content.decode(errors="replace") if isinstance(item, File) else None
    if old is None or old.attributes is None:
        return None, new
    return (old.content.decode(errors="replace") if old.content is not None else new), new


def _apply_batches(
    inspection: Inspection,
    rollout: Rollout,
    external_check: ExternalCheck,
    prepared: Mapping[str, Transaction | HostError],
    order: BatchOrder,
    events: Events,
) -> dict[str, HostResult]:
    """Apply the prepared hosts batch by batch, if all are ready; end the other transactions."""
    results: dict[str, HostResult] = {}
    waiting: dict[str, Transaction] = {}
    for host, transaction in prepared.items():
        if isinstance(transaction, HostError):
            results[host] = failure(inspection, host, transaction)
        else:
            waiting[host] = transaction
    stopped = bool(results) or inspection.interrupted
    reasons: dict[str, str] = {}
    with ServerRemoval(inspection.plans, inspection.sessions, events) as removal:
        for hosts in rollout.batches(list(prepared), order.joined, order.alone):
            if removal.due(hosts) and not stopped:
                inspection.run_on_hosts(
                    events, lambda _: removal.drain(lambda: inspection.interrupted), ("",)
                )
                stopped = inspection.interrupted
            reasons = {} if stopped else _refusal(inspection, order, hosts, events)
            if not stopped and not reasons:
                lost = _lost_directors(inspection, external_check, hosts, waiting, events)
                for host, error in lost.items():
                    results[host] = failure(inspection, host, error)
                    del waiting[host]
                if lost:
                    reason = f"not started: {' and '.join(lost)} does not answer"
                    reasons = dict.fromkeys(hosts, reason)
            stopped = stopped or bool(reasons) or inspection.interrupted
            if stopped:
                break
            batch = Batch(
                inspection,
                external_check,
                events,
                {host: waiting.pop(host) for host in hosts},
                any(map(order.is_joined, hosts)),
                _completed_frontends(external_check, hosts, waiting),
                _wait_until_serving(order, hosts),
            )
            batch_results = batch.run()
            results |= batch_results
            stopped = inspection.interrupted or any(
                result.outcome != "changed" for result in batch_results.values()
            )
        if not stopped:
            removal.finish(rollout.owner, rollout.digest)
    skipped_results = inspection.run_on_hosts(
        events,
        lambda host: _skip(inspection, host, waiting[host], reasons.get(host, "")),
        list(waiting),
    )
    return results | dict(zip(waiting, skipped_results, strict=True))


def _lost_directors(
    inspection: Inspection,
    external_check: ExternalCheck,
    hosts: Sequence[str],
    waiting: Mapping[str, Transaction],
    events: Events,
) -> dict[str, HostError]:
    """The waiting directors that share addresses with `hosts` and do not answer any more.

    After a reload Keepalived waits for adverts again. So if a master is lost just before the reload
    of its backup, the takeover takes longer.
    """
    topology = external_check.topology
    disturbed = [host for host in hosts if reloads_keepalived(inspection.plans[host])]
    peers = dict.fromkeys(
        director.host
        for host in disturbed
        for frontend in topology.directed_by(host)
        for director in frontend.directors
        if director.host not in hosts and director.host in waiting
    )

    def ask(host: str) -> HostError | None:
        try:
            waiting[host].look()
        except HostError as error:
            return error
        return None

    errors = inspection.run_on_hosts(events, ask, peers)
    return {host: error for host, error in zip(peers, errors, strict=True) if error}


def _refusal(
    inspection: Inspection, order: BatchOrder, hosts: Sequence[str], events: Events
) -> dict[str, str]:
    """The reason why the next batch must not begin, by host.

    Empty if it may begin, and if the run was interrupted.
    """
    if order.policy is None or hosts[0] not in order.alone:
        return {}
    reason = inspection.run_on_hosts(events, order.policy.before, hosts)[0]
    return {hosts[0]: reason} if reason and not inspection.interrupted else {}


def _wait_until_serving(order: BatchOrder, hosts: Sequence[str]) -> Callable[[], str]:
    """The wait of a batch after it is applied; it returns the reason if the host does not serve."""
    policy = order.policy
    return lambda: policy.after(hosts[0]) if policy and hosts[0] in order.alone else ""


def _completed_frontends(
    external_check: ExternalCheck, hosts: Sequence[str], waiting: Mapping[str, Transaction]
) -> frozenset[str]:
    """The front ends whose last directors change in this batch."""
    return frozenset(
        frontend.name
        for frontend in external_check.topology.frontends
        if (directors := {director.host for director in frontend.directors}) & set(hosts)
        and not directors & set(waiting)
    )


def _prepare(
    inspection: Inspection,
    rollout: Rollout,
    host: str,
    order: BatchOrder,
    keepalive: Keepalive,
    events: Events,
) -> Transaction | HostError:
    with inspection.timed(host):
        try:
            plan = inspection.plans[host]
            packages = [change.name for change in plan.changes if change.kind == "package"]
            events.host(host, f"installing {', '.join(packages)}" if packages else "validating")
            generation = plan.generation(
                rollout.number, rollout.owner, rollout.when, rollout.digest, rollout.note
            )
            ops, files = operations(plan, generation)
            transaction = prepare(
                inspection.sessions[host],
                build_payload(with_barrier(ops) if order.is_joined(host) else ops, files),
                rollout.owner,
                rollout.digest,
                SERIAL_CONFIRM_TIMEOUT if host in order.alone else CONFIRM_TIMEOUT,
                rollout.number,
                generation.counts.replace(" ", ""),
            )
            keepalive.add(transaction)
        except HostError as error:
            events.host(host, "refused")
            return not_ready(error)
    events.host(host, "ready")
    return transaction


def _skip(inspection: Inspection, host: str, transaction: Transaction, reason: str) -> HostResult:
    """End the transaction of a host that the run did not reach; `reason` may be empty."""
    try:
        transaction.roll_back()
    except HostError as error:
        return failure(inspection, host, error)
    result = skipped(inspection, host)
    if not reason:
        return result
    return replace(result, message=f"{reason}\n{result.message}", exit_code=Exit.FAILED)
