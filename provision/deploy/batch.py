"""One batch of a rollout: hand over, apply, check, take back and confirm, or roll back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provision.core.errors import Exit, HostError
from provision.core.events import Events
from provision.deploy.external_check import ExternalCheck, settle_timeout
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.results import HostResult, ended, failure
from provision.deploy.vrrp_compatibility import CONFIG
from provision.hosts.agent.payload import Op
from provision.hosts.agent.transaction import Transaction
from provision.inventory.frontends import ResolvedFrontend

KEEPALIVED = "keepalived.service"

TAKEOVER_MARGIN = 0.1
"""Seconds after a failover bound until a second director would surely be master."""

EXTRA_TAKEOVER_TIMEOUT = 5.0
"""Seconds that a takeover may take beyond its bound: it must happen, its speed is not checked."""


def reloads_keepalived(plan: HostPlan) -> bool:
    """Whether the changes may disturb a director that holds addresses.

    Packages do not, nor do files that no daemon loads.
    """
    return any(
        change.kind in ("unit", "sysctl", "address") or change.name == CONFIG
        for change in plan.changes
    )


def with_barrier(ops: Sequence[Op]) -> tuple[Op, ...]:
    """The ops with a barrier before Keepalived loads its new configuration."""
    index = next((index for index, op in enumerate(ops) if _is_reload(op)), len(ops))
    return (*ops[:index], Op("await"), *ops[index:]) if index < len(ops) else tuple(ops)


def _is_reload(op: Op) -> bool:
    return (
        op.verb == "unit"
        and op.args[0] == KEEPALIVED
        and op.args[1] in ("reload", "restart", "start")
    )


@dataclass
class Batch:
    """The hosts of a batch with their transactions, all `ready`.

    With `simultaneous` the hosts wait for each other before Keepalived reloads. `must_serve` are
    the front ends (by name) that must be served after the batch, even if they were not served
    before. `wait_until_serving` waits until the changed host serves again, and returns the reason
    if it does not. `handed_over` has the front ends that each host of the batch handed over.
    """

    inspection: Inspection
    external_check: ExternalCheck
    events: Events
    transactions: dict[str, Transaction]
    simultaneous: bool = False
    must_serve: frozenset[str] = frozenset()
    wait_until_serving: Callable[[], str] = str
    errors: dict[str, HostError | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    not_serving: str = ""
    handed_over: dict[str, tuple[ResolvedFrontend, ...]] = field(default_factory=dict)

    def run(self) -> dict[str, HostResult]:
        """Carry the batch out; confirm all of it, or roll all of it back.

        Never raises for a host's failure.
        """
        for step in (
            self._open,
            self._await_takeover,
            self._hand_over,
            self._meet,
            self._apply,
            self._await_service,
            self._check_batch,
            self._take_back,
        ):
            step()
            if self._has_failed:
                return self._end_all(self._roll_back)
        return self._end_all(self._confirm)

    @property
    def _has_failed(self) -> bool:
        return (
            self.inspection.interrupted
            or bool(self.problems or self.not_serving)
            or any(self.errors.values())
        )

    def _end_all(self, end: Callable[[str], HostResult]) -> dict[str, HostResult]:
        hosts = self.transactions
        results = self.inspection.run_on_hosts(self.events, end, hosts)
        return dict(zip(hosts, results, strict=True))

    def _try(
        self, hosts: Collection[str], action: Callable[[Transaction], object]
    ) -> dict[str, object]:
        """Run the action on several hosts at once; returns the answers, and keeps the errors."""

        def attempt(host: str) -> object:
            with self.inspection.timed(host):
                try:
                    return action(self.transactions[host])
                except HostError as error:
                    self.errors[host] = error
                    self.events.host(host, "failed")
                    return None

        answers = self.inspection.run_on_hosts(self.events, attempt, hosts)
        return dict(zip(hosts, answers, strict=True))

    def _guarded(self, look: Callable[[], list[str]]) -> list[str]:
        """The problems of a look from outside; the loss of a host or of the client is one, too."""

        def attempt(_: str) -> list[str]:
            try:
                return look()
            except HostError as error:
                if error.host in self.transactions:
                    self.errors[error.host] = error
                return [error.line()]

        return self.inspection.run_on_hosts(self.events, attempt, ["outside"])[0]

    def _open(self) -> None:
        def ask() -> list[str]:
            self.external_check.open_batch(self.transactions)
            return []

        self.problems = self._guarded(ask)

    def _disturbed(self) -> list[str]:
        """The hosts of the batch whose Keepalived the changes may disturb."""
        plans = self.inspection.plans
        return [host for host in self.transactions if reloads_keepalived(plans[host])]

    def _directed_by(self, hosts: Iterable[str]) -> list[ResolvedFrontend]:
        topology = self.external_check.topology
        return [frontend for host in hosts for frontend in topology.directed_by(host)]

    def _await_takeover(self) -> None:
        """Wait until no director is taking addresses over: a reload would delay the takeover.

        After a reload Keepalived waits for adverts again. If the service does not come back, the
        batch ends before its first change.
        """
        frontends = self._directed_by(self._disturbed())
        if any(self.external_check.was_served(frontend) for frontend in frontends):
            self.problems = self._check(
                timeout=settle_timeout(self.external_check.topology), applied=False, silent=True
            )

    def _hand_over(self) -> None:
        """A director that will be disturbed hands its VIPs over, if another can take them."""
        if self.simultaneous:
            return
        plans = self.inspection.plans
        frontends = {
            host: tuple(
                frontend
                for frontend in held
                if not removes_vip_of(plans[host], frontend) and self._successors(frontend, host)
            )
            for host, held in self.external_check.holders().items()
            if reloads_keepalived(plans[host])
        }
        hosts = [host for host, held in frontends.items() if held]
        for host in hosts:
            self.events.host(host, "handing over")
        lowered = self._try(hosts, Transaction.hand_over)
        self.handed_over = {host: frontends[host] for host in hosts if lowered[host]}
        if not self.handed_over or self._has_failed:
            return
        bounds = [frontend.crash_bound for held in self.handed_over.values() for frontend in held]
        self.problems = self._check(
            handed_over=True, timeout=max(bounds) + EXTRA_TAKEOVER_TIMEOUT, applied=False
        )

    def _successors(self, frontend: ResolvedFrontend, host: str) -> tuple[str, ...]:
        """The directors that can take over from `host`; the operator is told why there are none.

        With `nopreempt` a backup does not take over from a lower priority (RFC 5798 §6.4.2), and a
        drained director must not. If two directors hold the VIPs, one of them does not receive the
        other's adverts and would keep them.
        """
        others = tuple(director.host for director in frontend.directors if director.host != host)
        successors = tuple(other for other in others if not self._is_drained(other))
        if frontend.vrrp.nopreempt:
            reason = "`nopreempt` is set"
        elif not successors:
            reason = "every other director is drained"
        elif self.external_check.had_several_holders(frontend):
            reason = "two directors hold them already"
        else:
            return successors
        if others:
            self.events.note(
                f"{host} changes while it holds the addresses of {frontend.name}, "
                f"without a hand-over: {reason}"
            )
        return ()

    def _is_drained(self, host: str) -> bool:
        """Whether an operator keeps the director from holding addresses."""
        plan = self.inspection.plans.get(host)
        return plan is not None and "." in plan.observed.drained

    def _meet(self) -> None:
        if self.simultaneous:
            self._try(self.transactions, Transaction.reach)

    def _apply(self) -> None:
        for host in self.transactions:
            count = len(self.inspection.plans[host].changes)
            self.events.host(host, f"applying {count} changes")
        self._try(self.transactions, Transaction.apply)

    def _await_service(self) -> None:
        self.not_serving = self.inspection.run_on_hosts(
            self.events, lambda _: self.wait_until_serving(), ("",)
        )[0]

    def _check_batch(self) -> None:
        """All must be as good as before, also after the takeover time of another director."""
        disturbed = [host for host in self._disturbed() if host not in self.handed_over]
        bounds = [
            frontend.crash_bound
            for frontend in self._directed_by(disturbed)
            if self.external_check.was_served(frontend) or frontend.name in self.must_serve
        ]
        settled = (
            max((self._reload_time(host) for host in disturbed), default=0.0)
            + max(bounds, default=0.0)
            + TAKEOVER_MARGIN
        )
        self.problems = self._check(
            handed_over=True, timeout=settle_timeout(self.external_check.topology), settled=settled
        )

    def _reload_time(self, host: str) -> float:
        """The moment when Keepalived loaded its new configuration; now if it had none to load."""
        transaction = self.transactions[host]
        last = max(
            (index for index, op in enumerate(transaction.ops, 1) if _is_reload(op)), default=0
        )
        return next((step.at for step in transaction.steps if step.index == last), time.monotonic())

    def _take_back(self) -> None:
        """Take the VIPs back. If the check then fails, hand over again before rolling back."""
        if not self.handed_over:
            return
        self._try(self.handed_over, Transaction.take_back)
        pairs = [(frontend, host) for host, held in self.handed_over.items() for frontend in held]
        if self._has_failed or not pairs:
            return
        holders = {
            frontend.name: host for frontend, host in pairs if preempts_at_once(frontend, host)
        }
        timeout = EXTRA_TAKEOVER_TIMEOUT + max(
            frontend.crash_bound + (frontend.vrrp.preempt_delay or 0) for frontend, _ in pairs
        )
        self.problems = self._check(
            holders=holders, timeout=max(timeout, settle_timeout(self.external_check.topology))
        )
        if self.problems and not any(self.errors.values()):
            self._try(self.handed_over, Transaction.hand_over)
            self._check(handed_over=True, timeout=timeout)

    def _check(
        self,
        *,
        holders: Mapping[str, str] | None = None,
        handed_over: bool = False,
        timeout: float,
        settled: float = 0.0,
        applied: bool = True,
        silent: bool = False,
    ) -> list[str]:
        """The problems that the check from outside finds.

        With `handed_over` the hosts that handed front ends over must not hold them.
        """
        for host in () if silent else self.transactions:
            self.events.host(host, "checking from outside")
        non_holders = {
            frontend.name: (host,) for host, held in self.handed_over.items() for frontend in held
        }
        # Before the batch is applied, a broken front end is still broken.
        must_serve = self.must_serve if applied else ()
        expected = self.external_check.expected(
            must_serve, non_holders if handed_over else {}, holders
        )

        def look() -> list[str]:
            return self.external_check.check(
                self.transactions,
                expected,
                timeout=timeout,
                settled=settled,
                stop=lambda: self.inspection.interrupted,
                applied=applied,
            )

        return self._guarded(look)

    def _confirm(self, host: str) -> HostResult:
        with self.inspection.timed(host):
            try:
                self.transactions[host].confirm()
            except HostError as error:
                return failure(self.inspection, host, error)
        self.events.host(host, "changed")
        return ended(self.inspection, host, "changed")

    def _roll_back(self, host: str) -> HostResult:
        error = self.errors.get(host)
        if error:
            return failure(self.inspection, host, error)
        with self.inspection.timed(host):
            try:
                self.transactions[host].roll_back()
            except HostError as rollback_error:
                return failure(self.inspection, host, rollback_error)
        self.events.host(host, "rolled back")
        message = f"{self._cause()}; rolled back: as it was"
        return ended(self.inspection, host, "rolled_back", message, Exit.FAILED)

    def _cause(self) -> str:
        if self.inspection.interrupted:
            return "interrupted"
        if self.not_serving:
            return f"it does not serve again: {self.not_serving}"
        if self.problems:
            return "\n".join(
                (f"the check from outside failed: {self.problems[0]}", *self.problems[1:])
            )
        return "another host of its batch failed"


def removes_vip_of(plan: HostPlan, frontend: ResolvedFrontend) -> bool:
    """Whether a director's plan removes a manually added address of a front end.

    Such a director has no address to hand over.
    """
    removed = {change.name.partition("/")[0] for change in plan.changes if change.kind == "address"}
    return any(str(vip.address) in removed for vip in frontend.vips)


def preempts_at_once(frontend: ResolvedFrontend, host: str) -> bool:
    """Whether a director takes a front end back at once: the master without a preempt delay."""
    return frontend.master == host and not frontend.vrrp.preempt_delay
