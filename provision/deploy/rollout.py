"""The rollout: all hosts prepare, then change in an order that keeps the VIP served.

All hosts prepare first, at once: lock, packages, staging, validation. Only when every host is ready do changes begin:
real servers, then backup directors, then masters. A batch is held open until every host of it has applied and the front
ends were found served from outside; then all are confirmed. One failure rolls the batch back, leaves the rest as it was
and ends the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from provision.core.errors import Exit, HostError
from provision.core.events import Events
from provision.deploy.batch import Batch, reloads_keepalived, with_barrier
from provision.deploy.external_check import Outside
from provision.deploy.inspection import Inspection, not_ready
from provision.deploy.operations import operations
from provision.deploy.plan import HostPlan
from provision.deploy.results import HostResult, ended, failure, skipped
from provision.deploy.server_removal import ServerRemoval
from provision.deploy.vip_removal import defer
from provision.deploy.vrrp_compatibility import CONFIG, Incompatibility, clashes, host_groups
from provision.desired.items import File
from provision.hosts.agent.payload import build_payload
from provision.hosts.agent.transaction import Keepalive, Transaction, prepare

#: Seconds until a host that hears nothing more undoes what it was told to do.
DEADLINE = 60

#: The same for a host that serves together with others, which is confirmed once it does so again: that comes on top.
LONG_DEADLINE = 420


class SerialPolicy(Protocol):
    """What hosts need that serve together, brokers for one: that they go down one by one, when the rest can do without.

    An interruption of the run ends the waits.
    """

    def alone(self, hosts: Collection[str]) -> tuple[str, ...]:
        """Which of `hosts` are a batch each, in this order."""

    def before(self, host: str) -> str:
        """Wait until it may go down; why it may not, empty where it may."""

    def after(self, host: str) -> str:
        """Wait until it serves again; why it does not, empty where it does. Ends within LONG_DEADLINE."""


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

    def batches(
        self, hosts: Sequence[str], joined: Sequence[frozenset[str]] = (), alone: Sequence[str] = ()
    ) -> Iterator[tuple[str, ...]]:
        """The hosts that have something to change, stage by stage, at most `serial` (0: all) at a time.

        Hosts that are `joined` are a batch of their own, when the last of them is due. Who goes `alone` comes after the
        rest of its stage, in the order given.
        """
        left = [group & set(hosts) for group in joined if len(group & set(hosts)) > 1]
        bound = frozenset().union(*left)
        passed: set[str] = set()
        for stage in self.stages:
            due = [
                host for host in stage if host in hosts and host not in bound and host not in alone
            ]
            size = self.serial or len(due) or 1
            yield from (tuple(due[start : start + size]) for start in range(0, len(due), size))
            yield from (
                (host,) for host in alone if host in stage and host in hosts and host not in bound
            )
            passed |= set(stage)
            for group in [group for group in left if group <= passed]:
                left.remove(group)
                yield tuple(host for each in self.stages for host in each if host in group)


@dataclass(frozen=True)
class BatchOrder:
    """Which hosts of a rollout change at the same moment, and which `alone`, as `care` has it."""

    joined: tuple[frozenset[str], ...] = ()
    alone: tuple[str, ...] = ()
    care: SerialPolicy | None = None

    def meets(self, host: str) -> bool:
        """Whether it changes at the same moment as another."""
        return any(host in group for group in self.joined)


def deploy(
    found: Inspection,
    rollout: Rollout,
    outside: Outside,
    events: Events,
    care: SerialPolicy | None = None,
) -> dict[str, HostResult]:
    """Prepare all hosts at once, then apply the surveyed plans batch by batch.

    Nothing but packages changes anywhere before every host has staged and validated everything. Returns a result for
    every surveyed host and never raises for a host's failure. Ctrl-C rolls the running batch back and ends the run;
    `found.interrupted` tells.
    """
    late = defer(found, outside.topology.directors())
    due = [host for host, plan in found.plans.items() if plan.changes]
    results = {host: ended(found, host, "unchanged") for host in found.plans if host not in due}
    if not due:
        return results
    try:
        results |= _run(found, rollout, outside, due, events, care)
        if (
            late
            and not found.interrupted
            and not any(result.exit_code for result in results.values())
        ):
            found.plans.update(late)
            after = replace(
                rollout,
                number=rollout.number + 1,
                note="addresses that no director sends to any more",
            )
            results |= {
                host: replace(result, changes=result.changes + results[host].changes)
                for host, result in _run(found, after, outside, list(late), events, None).items()
            }
    finally:
        found.outside = outside.summary()
        outside.close()
    return results


def _run(
    found: Inspection,
    rollout: Rollout,
    outside: Outside,
    due: Sequence[str],
    events: Events,
    care: SerialPolicy | None,
) -> dict[str, HostResult]:
    """Prepare the hosts that are due, and go through their batches."""
    joined = simultaneous_groups(outside, found.plans, due, events)
    alone = found.each(events, lambda _: care.alone(due), ("",))[0] if care else ()
    order = BatchOrder(joined, alone, care)
    with Keepalive() as waiting:
        looking = threading.Thread(target=outside.begin, args=(due,), daemon=True, name="outside")
        looking.start()
        ready = found.each(
            events, lambda host: _prepare(found, rollout, host, order, waiting, events), due
        )
        looking.join()
        if gap := outside.gap():
            events.note(gap)
        return _go_on(found, rollout, outside, dict(zip(due, ready, strict=True)), order, events)


def simultaneous_groups(
    outside: Outside, plans: Mapping[str, HostPlan], due: Sequence[str], events: Events
) -> tuple[frozenset[str], ...]:
    """The directors that must change at the same moment; why is told."""
    found: list[Incompatibility] = []
    for frontend in outside.topology.frontends:
        hosts = [director.host for director in frontend.directors if director.host in plans]
        texts = {host: _texts(plans[host]) for host in hosts}
        old = {host: was for host, (was, _) in texts.items() if was is not None}
        found += clashes(old, {host: now for host, (_, now) in texts.items() if now is not None})
    groups = tuple(
        group & set(due)
        for group in host_groups(tuple(dict.fromkeys(found)))
        if len(group & set(due)) > 1
    )
    for why in dict.fromkeys(
        clash.why for clash in found if any(clash.hosts & group for group in groups)
    ):
        events.note(
            f"{why}: the directors change at the same moment, as they refuse each other's adverts meanwhile"
        )
    return groups


def _texts(plan: HostPlan) -> tuple[str | None, str | None]:
    """What a director's Keepalived is configured with, and what it is to be."""
    item, seen = plan.desired.get("file", CONFIG), plan.observed.items.get(("file", CONFIG))
    new = item.content.decode(errors="replace") if isinstance(item, File) else None
    if seen is None or seen.attributes is None:
        return None, new
    return (seen.content.decode(errors="replace") if seen.content is not None else new), new


def _go_on(
    found: Inspection,
    rollout: Rollout,
    outside: Outside,
    begun: Mapping[str, Transaction | HostError],
    order: BatchOrder,
    events: Events,
) -> dict[str, HostResult]:
    """Apply what was prepared, batch by batch, while every host is ready; let go of the rest."""
    refused = {host: error for host, error in begun.items() if isinstance(error, HostError)}
    waiting = {
        host: begun_one for host, begun_one in begun.items() if isinstance(begun_one, Transaction)
    }
    results = {host: failure(found, host, error) for host, error in refused.items()}
    stopped = bool(refused) or found.interrupted
    why: dict[str, str] = {}
    with ServerRemoval(found.plans, found.sessions, events) as departure:
        for hosts in rollout.batches(list(begun), order.joined, order.alone):
            if departure.due(hosts) and not stopped:
                found.each(events, lambda _: departure.ease(lambda: found.interrupted), ("",))
                stopped = found.interrupted
            why = {} if stopped else _refusal(found, order, hosts, events)
            if not stopped and not why:
                lost = _lost(found, outside, hosts, waiting, events)
                results |= {host: failure(found, host, error) for host, error in lost.items()}
                waiting = {host: one for host, one in waiting.items() if host not in lost}
                why = (
                    dict.fromkeys(hosts, f"not begun, as {' and '.join(lost)} does not answer")
                    if lost
                    else {}
                )
            stopped = stopped or bool(why) or found.interrupted
            if stopped:
                break
            transactions = {host: waiting.pop(host) for host in hosts}
            batch = Batch(
                found,
                outside,
                events,
                transactions,
                any(map(order.meets, hosts)),
                _complete(outside, hosts, waiting),
                _return(order, hosts),
            )
            done = batch.run()
            results |= done
            stopped = found.interrupted or any(
                result.outcome != "changed" for result in done.values()
            )
        if not stopped:
            departure.gone(rollout.owner, rollout.digest)
    left = found.each(
        events, lambda host: _let_go(found, host, waiting[host], why.get(host, "")), list(waiting)
    )
    return results | dict(zip(waiting, left, strict=True))


def _lost(
    found: Inspection,
    outside: Outside,
    hosts: Sequence[str],
    waiting: Mapping[str, Transaction],
    events: Events,
) -> dict[str, HostError]:
    """The directors that wait for their turn and do not answer any more, among those that share addresses with `hosts`.

    Keepalived that is reloaded waits for adverts anew: a master that is lost just before is missed for longer.
    """
    disturbed = [host for host in hosts if reloads_keepalived(found.plans[host])]
    fronts = [one for host in disturbed for one in outside.topology.directed_by(host)]
    peers = dict.fromkeys(
        each.host for one in fronts for each in one.directors if each.host not in hosts
    )
    asked = [host for host in peers if host in waiting]

    def ask(host: str) -> HostError | None:
        try:
            waiting[host].look()
        except HostError as error:
            return error
        return None

    return {
        host: error
        for host, error in zip(asked, found.each(events, ask, asked), strict=True)
        if error
    }


def _refusal(
    found: Inspection, order: BatchOrder, hosts: Sequence[str], events: Events
) -> dict[str, str]:
    """Why the next batch must not begin, by host; empty where it may, and where the run was interrupted."""
    if order.care is None or hosts[0] not in order.alone:
        return {}
    why = found.each(events, order.care.before, hosts)[0]
    return {hosts[0]: why} if why and not found.interrupted else {}


def _return(order: BatchOrder, hosts: Sequence[str]) -> Callable[[], str]:
    """What a batch waits for once it is applied; returns what is wrong."""
    care = order.care
    return lambda: care.after(hosts[0]) if care and hosts[0] in order.alone else ""


def _complete(
    outside: Outside, hosts: Sequence[str], waiting: Mapping[str, Transaction]
) -> frozenset[str]:
    """The front ends that get the last of their directors with this batch."""
    return frozenset(
        one.name
        for one in outside.topology.frontends
        if (directors := {director.host for director in one.directors}) & set(hosts)
        and not directors & set(waiting)
    )


def _prepare(
    found: Inspection,
    rollout: Rollout,
    host: str,
    order: BatchOrder,
    waiting: Keepalive,
    events: Events,
) -> Transaction | HostError:
    with found.timed(host):
        try:
            plan = found.plans[host]
            packages = [change.name for change in plan.changes if change.kind == "package"]
            events.host(host, f"installing {', '.join(packages)}" if packages else "validating")
            kept = plan.generation(
                rollout.number, rollout.owner, rollout.when, rollout.digest, rollout.note
            )
            ops, files = operations(plan, kept)
            payload = build_payload(with_barrier(ops) if order.meets(host) else ops, files)
            who, counts = (rollout.owner, rollout.digest), kept.counts.replace(" ", "")
            deadline = LONG_DEADLINE if host in order.alone else DEADLINE
            transaction = prepare(
                found.sessions[host], payload, *who, deadline, rollout.number, counts
            )
            waiting.add(transaction)
        except HostError as error:
            events.host(host, "refused")
            return not_ready(error)
    events.host(host, "ready")
    return transaction


def _let_go(found: Inspection, host: str, transaction: Transaction, why: str) -> HostResult:
    """End the transaction of a host whose turn never came, because of `why` where that is known."""
    try:
        transaction.roll_back()
    except HostError as error:
        return failure(found, host, error)
    left = skipped(found, host)
    return replace(left, message=f"{why}\n{left.message}", exit_code=Exit.FAILED) if why else left
