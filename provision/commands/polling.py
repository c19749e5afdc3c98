"""Poll all managed hosts over logins that stay open; a silent host delays no other host."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from provision.checks.status.build import HostLog, PollResult, parse_host_log
from provision.core.errors import HactlError, HostError
from provision.deploy.host_inspection import LiveAnswer, inspect_host, with_manual_edits
from provision.deploy.plan import HostPlan
from provision.deploy.project import Project
from provision.hosts.agent.look import look_with
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.sessions import Sessions


@dataclass
class _Poll:
    """A poll of one host, running or ended; a comparison with the inventory may follow it."""

    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    compared: threading.Event = field(default_factory=threading.Event)
    answer: tuple[LiveHost, HostLog] | None = None
    error: HostError | None = None


class HostPoller:
    """Polls the managed hosts again and again; `sessions` are their logins."""

    def __init__(self, project: Project, sessions: Sessions) -> None:
        self._project = project
        self._sessions = sessions
        self._polls: dict[str, _Poll] = {}
        self._comparisons: dict[str, tuple[HostPlan, LiveAnswer]] = {}
        self._has_new_comparison = False
        self._drift: dict[str, int] = {}

    def once(self) -> PollResult:
        """Poll every host once and wait: two execs a host; the second is for the comparison."""
        taken = time.time()
        self._begin(drift=True)
        for poll in self._polls.values():
            poll.compared.wait()
        return self._result(taken)

    def take(self, timeout: float, *, drift: bool) -> PollResult:
        """Poll every host: one exec a host, all in parallel.

        With `drift`, a second exec follows for the comparison; this round does not wait for it. A
        host without an answer after `timeout` seconds counts as a host that does not answer. Its
        poll goes on, and later rounds do not wait for it. Its late answer is never shown: the host
        is polled again.
        """
        taken = time.time()
        for poll in self._begin(drift):
            poll.ended.wait(max(0.0, poll.began + timeout - time.monotonic()))
        return self._result(taken)

    def _begin(self, drift: bool) -> list[_Poll]:
        """Start a poll of every host that has no running poll; returns the new polls."""
        begun = []
        for host in self._sessions.targets:
            if host not in self._polls or self._polls[host].ended.is_set():
                poll = self._polls[host] = _Poll()
                threading.Thread(target=self._run, args=(host, poll, drift), daemon=True).start()
                begun.append(poll)
        return begun

    def _run(self, host: str, poll: _Poll, drift: bool) -> None:
        try:
            live, sections = look_with(self._sessions.of(host), "status")
            poll.answer = live, parse_host_log(sections)
            poll.ended.set()
            if drift:
                self._compare(host, LiveAnswer(live, poll.answer[1].health))
        except HostError as error:
            poll.error = error
        finally:
            poll.ended.set()
            poll.compared.set()

    def _compare(self, host: str, answer: LiveAnswer) -> None:
        """Keep the host's plan with its answer; forget both where no plan can be made."""
        project = self._project
        try:
            plan = inspect_host(self._sessions.of(host), project.render, project.inventory.secrets)
            self._comparisons[host] = plan, answer
        except HactlError:
            self._comparisons.pop(host, None)
        self._has_new_comparison = True

    def _count_drift(self) -> dict[str, int]:
        """How many changes `hactl plan` would show, for each host with a comparison."""
        if self._has_new_comparison:
            # Before the copy: a comparison that ends after the copy is counted in the next round.
            self._has_new_comparison = False
            comparisons = dict(self._comparisons)
            plans = with_manual_edits(
                {host: plan for host, (plan, _) in comparisons.items()},
                {host: answer for host, (_, answer) in comparisons.items()},
            )
            self._drift = {host: len(plan.changes) for host, plan in plans.items()}
        return self._drift

    def _result(self, taken: float) -> PollResult:
        lives, logs, errors = {}, {}, {}
        for host, poll in self._polls.items():
            if poll.ended.is_set() and poll.answer:
                lives[host], logs[host] = poll.answer
            else:
                waited = time.monotonic() - poll.began
                errors[host] = str(poll.error) if poll.error else f"no answer for {waited:.0f} s"
        drift = {host: count for host, count in self._count_drift().items() if host in lives}
        return PollResult(Snapshot(self._project.topology, lives), logs, errors, drift, taken)
