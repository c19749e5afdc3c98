"""One batch of a rollout: hand over, apply, check from outside, give back, confirm; or roll all of it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from provision.core.errors import Exit, HostError
from provision.core.events import Events
from provision.deploy.external_check import Outside, patience
from provision.deploy.inspection import Inspection
from provision.deploy.plan import HostPlan
from provision.deploy.results import HostResult, ended, failure
from provision.deploy.vrrp_compatibility import CONFIG
from provision.hosts.agent.payload import Op
from provision.hosts.agent.transaction import Transaction
from provision.inventory.frontends import ResolvedFrontend

KEEPALIVED = "keepalived.service"
MARGIN = 0.1
"""Seconds beyond a failover bound after which a second director would have been master."""

SLOW = 5.0
"""Seconds that a takeover may take beyond its bound: whether it happens is asked, not how fast."""


def reloads_keepalived(plan: HostPlan) -> bool:
    """Whether the changes may disturb a director that holds addresses: not packages, nor files that nothing loads."""
    return any(
        change.kind in ("unit", "sysctl", "address") or change.name == CONFIG
        for change in plan.changes
    )


def with_barrier(ops: Sequence[Op]) -> tuple[Op, ...]:
    """The ops with a meeting point before Keepalived takes its new configuration."""
    at = next((index for index, op in enumerate(ops) if _reloads(op)), len(ops))
    return (*ops[:at], Op("await"), *ops[at:]) if at < len(ops) else tuple(ops)


def _reloads(op: Op) -> bool:
    return (
        op.verb == "unit"
        and op.args[0] == KEEPALIVED
        and op.args[1] in ("reload", "restart", "start")
    )


@dataclass
class Batch:
    """The hosts of a batch with their transactions, all `ready`.

    `together` says that they meet before Keepalived reloads. `due` are the front ends (by name) that must be served
    once it is through, whether or not they were before. `back` waits until what was applied serves again, and returns
    what keeps it from that.
    """

    found: Inspection
    outside: Outside
    events: Events
    transactions: dict[str, Transaction]
    together: bool = False
    due: frozenset[str] = frozenset()
    back: Callable[[], str] = str
    errors: dict[str, HostError | None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    away_for_good: str = ""
    away: dict[str, tuple[ResolvedFrontend, ...]] = field(default_factory=dict)

    def run(self) -> dict[str, HostResult]:
        """Go through the batch; confirm it all, or roll it all back. Never raises for a host's failure."""
        for step in (
            self._open,
            self._await_takeover,
            self._hand_over,
            self._meet,
            self._apply,
            self._come_back,
            self._check,
            self._give_back,
        ):
            step()
            if self._bad:
                return self._all(self._roll_back)
        return self._all(self._confirm)

    @property
    def _bad(self) -> bool:
        return (
            self.found.interrupted
            or bool(self.problems or self.away_for_good)
            or any(self.errors.values())
        )

    def _all(self, end: Callable[[str], HostResult]) -> dict[str, HostResult]:
        hosts = self.transactions
        return dict(zip(hosts, self.found.each(self.events, end, hosts), strict=True))

    def _try(
        self, hosts: Collection[str], act: Callable[[Transaction], object]
    ) -> dict[str, object]:
        """Do something to several hosts at once; who fails is in `errors`, and the others' answers are returned."""

        def attempt(host: str) -> object:
            with self.found.timed(host):
                try:
                    return act(self.transactions[host])
                except HostError as error:
                    self.errors[host] = error
                    self.events.host(host, "failed")
                    return None

        return dict(zip(hosts, self.found.each(self.events, attempt, hosts), strict=True))

    def _guarded(self, look: Callable[[], list[str]]) -> list[str]:
        """A look from outside: what is wrong; also where a host or the client was lost meanwhile."""

        def attempt(_: str) -> list[str]:
            try:
                return look()
            except HostError as error:
                if error.host in self.transactions:
                    self.errors[error.host] = error
                return [error.line()]

        return self.found.each(self.events, attempt, ["outside"])[0]

    def _open(self) -> None:
        def ask() -> list[str]:
            self.outside.open_batch(self.transactions)
            return []

        self.problems = self._guarded(ask)

    def _await_takeover(self) -> None:
        """Disturb no director while addresses are on their way to it: after a reload it waits for adverts anew.

        Where what was served does not come back, the batch ends before its first change.
        """
        hosts = [host for host in self.transactions if reloads_keepalived(self.found.plans[host])]
        fronts = [one for host in hosts for one in self.outside.topology.directed_by(host)]
        if any(self.outside.is_served(one) for one in fronts):
            self.problems = self._look(
                patience=patience(self.outside.topology), applied=False, aloud=False
            )

    def _hand_over(self) -> None:
        """Whoever holds addresses and is to be disturbed hands over first, where another can take them."""
        if self.together:
            return
        fronts = {
            host: tuple(
                one
                for one in held
                if not removes_vip_of(self.found.plans[host], one) and self._successors(one, host)
            )
            for host, held in self.outside.holders().items()
            if reloads_keepalived(self.found.plans[host])
        }
        hosts = [host for host, able in fronts.items() if able]
        for host in hosts:
            self.events.host(host, "handing over")
        lowered = self._try(hosts, Transaction.hand_over)
        self.away = {host: fronts[host] for host in hosts if lowered[host]}
        if not self.away or self._bad:
            return
        wait = max(one.crash_bound for able in self.away.values() for one in able) + SLOW
        self.problems = self._look(away=True, patience=wait, applied=False)

    def _successors(self, frontend: ResolvedFrontend, host: str) -> tuple[str, ...]:
        """The directors that can take over from `host`; why there are none is told.

        With `nopreempt` a lower priority gives nothing away (RFC 5798 §6.4.2), and one that is drained stays away.
        Where two have it already, one of them is deaf to the other and would keep it.
        """
        others = tuple(director.host for director in frontend.directors if director.host != host)
        able = tuple(other for other in others if not self._drained(other))
        why = (
            "`nopreempt`"
            if frontend.vrrp.nopreempt
            else ""
            if able
            else "every other director is drained"
        )
        why = (
            "two directors hold it already" if not why and self.outside.contested(frontend) else why
        )
        if others and why:
            self.events.note(
                f"{host} changes while it holds {frontend.name}, without a hand-over: {why}"
            )
        return () if why else able

    def _drained(self, host: str) -> bool:
        """Whether a director is kept from holding addresses on purpose."""
        return host in self.found.plans and "." in self.found.plans[host].observed.drained

    def _meet(self) -> None:
        if self.together:
            self._try(self.transactions, Transaction.reach)

    def _apply(self) -> None:
        for host in self.transactions:
            self.events.host(host, f"applying {len(self.found.plans[host].changes)} changes")
        self._try(self.transactions, Transaction.apply)

    def _come_back(self) -> None:
        self.away_for_good = self.found.each(self.events, lambda _: self.back(), ("",))[0]

    def _check(self) -> None:
        """As good as before, and still so when a second director would have taken over."""
        disturbed = [
            host
            for host in self.transactions
            if reloads_keepalived(self.found.plans[host]) and host not in self.away
        ]
        fronts = [one for host in disturbed for one in self.outside.topology.directed_by(host)]
        waiting = [
            one.crash_bound for one in fronts if self.outside.is_served(one) or one.name in self.due
        ]
        settled = (
            max((self._reloaded(host) for host in disturbed), default=0.0)
            + max(waiting, default=0.0)
            + MARGIN
        )
        self.problems = self._look(
            away=True, patience=patience(self.outside.topology), settled=settled
        )

    def _reloaded(self, host: str) -> float:
        """When Keepalived took its new configuration; now where it had nothing to take."""
        transaction = self.transactions[host]
        last = max((at for at, op in enumerate(transaction.ops, 1) if _reloads(op)), default=0)
        return next((step.at for step in transaction.steps if step.index == last), time.monotonic())

    def _give_back(self) -> None:
        """Whoever handed over takes its addresses back; where that is not well, it hands over before the undoing."""
        if not self.away:
            return
        self._try(self.away, Transaction.take_back)
        fronts = {one.name: host for host, able in self.away.items() for one in able}
        own = {
            one.name: host
            for host, able in self.away.items()
            for one in able
            if preempts_at_once(one, host)
        }
        bounds = [
            one.crash_bound + (one.vrrp.preempt_delay or 0)
            for able in self.away.values()
            for one in able
        ]
        if self._bad or not fronts:
            return
        self.problems = self._look(
            at=own, patience=max(max(bounds) + SLOW, patience(self.outside.topology))
        )
        if self.problems and not any(self.errors.values()):
            self._try(self.away, Transaction.hand_over)
            self._look(away=True, patience=max(bounds) + SLOW)

    def _look(
        self,
        *,
        at: Mapping[str, str] | None = None,
        away: bool = False,
        patience: float,
        settled: float = 0.0,
        applied: bool = True,
        aloud: bool = True,
    ) -> list[str]:
        for host in self.transactions if aloud else ():
            self.events.host(host, "checking from outside")
        gone = {one.name: (host,) for host, able in self.away.items() for one in able}
        due = self.due if applied else ()  # what is to be mended is not, before it is
        expected = self.outside.expected(due, gone if away else {}, at)

        def look() -> list[str]:
            return self.outside.check(
                self.transactions,
                expected,
                patience=patience,
                settled=settled,
                stop=self._stopped,
                applied=applied,
            )

        return self._guarded(look)

    def _stopped(self) -> bool:
        return self.found.interrupted

    def _confirm(self, host: str) -> HostResult:
        with self.found.timed(host):
            try:
                self.transactions[host].confirm()
            except HostError as error:
                return failure(self.found, host, error)
        self.events.host(host, "changed")
        return ended(self.found, host, "changed")

    def _roll_back(self, host: str) -> HostResult:
        error = self.errors.get(host)
        if error:
            return failure(self.found, host, error)
        with self.found.timed(host):
            try:
                self.transactions[host].roll_back()
            except HostError as second:
                return failure(self.found, host, second)
        self.events.host(host, "rolled back")
        return ended(
            self.found, host, "rolled_back", f"{self._cause()}; rolled back: as it was", Exit.FAILED
        )

    def _cause(self) -> str:
        if self.found.interrupted:
            return "interrupted"
        if self.away_for_good:
            return f"it does not serve again: {self.away_for_good}"
        if self.problems:
            return "\n".join(
                (f"the check from outside failed: {self.problems[0]}", *self.problems[1:])
            )
        return "another host of its batch failed"


def removes_vip_of(plan: HostPlan, frontend: ResolvedFrontend) -> bool:
    """Whether a director's plan takes an address of a front end off it, which a hand put there: it has none to give."""
    going = {change.name.partition("/")[0] for change in plan.changes if change.kind == "address"}
    return any(str(vip.address) in going for vip in frontend.vips)


def preempts_at_once(frontend: ResolvedFrontend, host: str) -> bool:
    """Whether a director takes the addresses of a front end back at once: it is the best, and waits for nothing."""
    return frontend.master == host and not frontend.vrrp.preempt_delay
