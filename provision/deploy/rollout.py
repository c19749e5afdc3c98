"""The rollout: all hosts prepare, then they change in an order that keeps the VIPs served.

First all hosts prepare at once: lock, packages, staging, validation. Changes begin only when every
host is ready: real servers first, then backup directors, then masters. A batch stays open until all
of its hosts have applied and the check from outside found the front ends served; then all of them
are confirmed. One failure rolls the batch back, leaves the other hosts as they were and ends the
run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar

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

Result = TypeVar("Result")

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
                yield tuple(host for stage in self.stages for host in stage if host in group)


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
        results |= _Run(inspection, rollout, external_check, events, policy).run(due)
        failed = any(result.exit_code for result in results.values())
        if deferred and not inspection.interrupted and not failed:
            inspection.plans.update(deferred)
            note = "addresses that no director sends to any more"
            late = replace(rollout, number=rollout.number + 1, note=note)
            late_results = _Run(inspection, late, external_check, events).run(list(deferred))
            results |= {
                host: replace(result, changes=result.changes + results[host].changes)
                for host, result in late_results.items()
            }
    finally:
        inspection.outside = external_check.summary()
        external_check.close()
    return results


@dataclass
class _Run:
    """One pass over the hosts that have changes: prepare them, then carry out their batches.

    `joined` are the groups of hosts that change at the same moment. `alone` are the hosts that must
    each be a batch, as the policy decides. `waiting` has the transactions of prepared hosts,
    `results` the results of hosts that have ended.
    """

    inspection: Inspection
    rollout: Rollout
    external_check: ExternalCheck
    events: Events
    policy: SerialPolicy | None = None
    joined: tuple[frozenset[str], ...] = ()
    alone: tuple[str, ...] = ()
    waiting: dict[str, Transaction] = field(default_factory=dict)
    results: dict[str, HostResult] = field(default_factory=dict)

    def run(self, due: Sequence[str]) -> dict[str, HostResult]:
        """The results of the hosts that are due."""
        self.joined = self._simultaneous_groups(due)
        if policy := self.policy:
            self.alone = self._on_hosts(lambda _: policy.alone(due), ("",))[0]
        with Keepalive() as keepalive:
            first_look = threading.Thread(
                target=self.external_check.begin, args=(due,), daemon=True, name="outside"
            )
            first_look.start()
            prepared = self._on_hosts(lambda host: self._prepare(host, keepalive), due)
            first_look.join()
            if gap := self.external_check.gap():
                self.events.note(gap)
            for host, transaction in zip(due, prepared, strict=True):
                if isinstance(transaction, HostError):
                    self.results[host] = failure(self.inspection, host, transaction)
                else:
                    self.waiting[host] = transaction
            stopped = self.results or self.inspection.interrupted
            reasons = {} if stopped else self._apply_batches(due)
            hosts = list(self.waiting)
            skips = self._on_hosts(lambda host: self._skip(host, reasons.get(host, "")), hosts)
            return self.results | dict(zip(hosts, skips, strict=True))

    def _on_hosts(self, job: Callable[[str], Result], hosts: Iterable[str]) -> list[Result]:
        return self.inspection.run_on_hosts(self.events, job, hosts)

    def _simultaneous_groups(self, due: Sequence[str]) -> tuple[frozenset[str], ...]:
        """The directors that must change at the same moment; the operator is told why."""
        plans = self.inspection.plans
        pairs: list[Incompatibility] = []
        for frontend in self.external_check.topology.frontends:
            hosts = [director.host for director in frontend.directors if director.host in plans]
            configs = {host: _old_and_new_config(plans[host]) for host in hosts}
            pairs += incompatibilities(
                {host: old for host, (old, _) in configs.items() if old is not None},
                {host: new for host, (_, new) in configs.items() if new is not None},
            )
        groups = tuple(
            group & set(due)
            for group in host_groups(tuple(dict.fromkeys(pairs)))
            if len(group & set(due)) > 1
        )
        for reason in dict.fromkeys(
            pair.reason for pair in pairs if any(pair.hosts & group for group in groups)
        ):
            self.events.note(
                f"{reason}: the directors change at the same moment, "
                "because in between they would refuse each other's adverts"
            )
        return groups

    def _is_joined(self, host: str) -> bool:
        """Whether the host changes at the same moment as another."""
        return any(host in group for group in self.joined)

    def _prepare(self, host: str, keepalive: Keepalive) -> Transaction | HostError:
        rollout, plan = self.rollout, self.inspection.plans[host]
        with self.inspection.timed(host):
            try:
                packages = [change.name for change in plan.changes if change.kind == "package"]
                action = f"installing {', '.join(packages)}" if packages else "validating"
                self.events.host(host, action)
                generation = plan.generation(
                    rollout.number, rollout.owner, rollout.when, rollout.digest, rollout.note
                )
                ops, files = operations(plan, generation)
                transaction = prepare(
                    self.inspection.sessions[host],
                    build_payload(with_barrier(ops) if self._is_joined(host) else ops, files),
                    rollout.owner,
                    rollout.digest,
                    SERIAL_CONFIRM_TIMEOUT if host in self.alone else CONFIRM_TIMEOUT,
                    rollout.number,
                    generation.counts.replace(" ", ""),
                )
                keepalive.add(transaction)
            except HostError as error:
                self.events.host(host, "refused")
                return not_ready(error)
        self.events.host(host, "ready")
        return transaction

    def _apply_batches(self, due: Sequence[str]) -> dict[str, str]:
        """Apply the hosts batch by batch until one fails.

        Returns the reasons why a batch did not begin, by host.
        """
        inspection = self.inspection
        with ServerRemoval(inspection.plans, inspection.sessions, self.events) as removal:
            for hosts in self.rollout.batches(due, self.joined, self.alone):
                if removal.due(hosts):
                    self._on_hosts(lambda _: removal.drain(lambda: inspection.interrupted), ("",))
                    if inspection.interrupted:
                        return {}
                reasons = self._refusal(hosts) or self._lost_directors(hosts)
                if reasons or inspection.interrupted:
                    return reasons
                batch = Batch(
                    inspection,
                    self.external_check,
                    self.events,
                    {host: self.waiting.pop(host) for host in hosts},
                    any(map(self._is_joined, hosts)),
                    self._completed_frontends(hosts),
                    partial(self._await_service, hosts[0]),
                )
                batch_results = batch.run()
                self.results |= batch_results
                failed = any(result.outcome != "changed" for result in batch_results.values())
                if failed or inspection.interrupted:
                    return {}
            removal.finish(self.rollout.owner, self.rollout.digest)
        return {}

    def _refusal(self, hosts: Sequence[str]) -> dict[str, str]:
        """The reason why the next batch must not begin, by host.

        Empty if it may begin, and if the run was interrupted.
        """
        if self.policy is None or hosts[0] not in self.alone:
            return {}
        reason = self._on_hosts(self.policy.before, hosts)[0]
        return {hosts[0]: reason} if reason and not self.inspection.interrupted else {}

    def _lost_directors(self, hosts: Sequence[str]) -> dict[str, str]:
        """The reason why the next batch must not begin: a director that waits does not answer.

        Only directors that share addresses with `hosts` are asked; a lost one gets its result.
        After a reload Keepalived waits for adverts again. So if a master is lost just before the
        reload of its backup, the takeover takes longer.
        """
        plans, topology = self.inspection.plans, self.external_check.topology
        peers = dict.fromkeys(
            director.host
            for host in hosts
            if reloads_keepalived(plans[host])
            for frontend in topology.directed_by(host)
            for director in frontend.directors
            if director.host not in hosts and director.host in self.waiting
        )

        def ask(host: str) -> HostError | None:
            try:
                self.waiting[host].look()
            except HostError as error:
                return error
            return None

        errors = zip(peers, self._on_hosts(ask, peers), strict=True)
        lost = {host: failure(self.inspection, host, error) for host, error in errors if error}
        self.results |= lost
        for host in lost:
            del self.waiting[host]
        reason = f"not started: {' and '.join(lost)} does not answer"
        return dict.fromkeys(hosts, reason) if lost else {}

    def _await_service(self, host: str) -> str:
        """Wait until a host that changed alone serves again; the reason if it does not."""
        return self.policy.after(host) if self.policy and host in self.alone else ""

    def _completed_frontends(self, hosts: Sequence[str]) -> frozenset[str]:
        """The front ends whose last directors change in this batch."""
        return frozenset(
            frontend.name
            for frontend in self.external_check.topology.frontends
            if (directors := {director.host for director in frontend.directors}) & set(hosts)
            and not directors & set(self.waiting)
        )

    def _skip(self, host: str, reason: str) -> HostResult:
        """End the transaction of a host that the run did not reach; `reason` may be empty."""
        try:
            self.waiting[host].roll_back()
        except HostError as error:
            return failure(self.inspection, host, error)
        result = skipped(self.inspection, host)
        if not reason:
            return result
        return replace(result, message=f"{reason}\n{result.message}", exit_code=Exit.FAILED)


def _old_and_new_config(plan: HostPlan) -> tuple[str | None, str | None]:
    """The present and the desired configuration of a director's Keepalived."""
    item, old = plan.desired.get("file", CONFIG), plan.observed.items.get(("file", CONFIG))
    new = item.content.decode(errors="replace") if isinstance(item, File) else None
    if old is None or old.attributes is None:
        return None, new
    return (old.content.decode(errors="replace") if old.content is not None else new), new
