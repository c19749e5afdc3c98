"""Rounds of looks at all managed hosts over logins that stay open; a host that does not answer holds up no other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from provision.checks.status.build import HostLog, PollResult, parse_host_log
from provision.core.errors import HactlError, HostError
from provision.deploy.manual_edits import manually_removed_servers
from provision.deploy.plan import plan_host
from provision.deploy.project import Project
from provision.hosts.agent.look import look_with
from provision.hosts.agent.observe import observe
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.sessions import Sessions

Answer = tuple[LiveHost, HostLog]


@dataclass
class _Look:
    """A look at one host that goes on or has ended, and the comparison with the inventory that may follow it."""

    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    compared: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: HostError | None = None


class Poller:
    """Looks at the managed hosts again and again; `sessions` are theirs."""

    def __init__(self, project: Project, sessions: Sessions) -> None:
        self._project = project
        self._sessions = sessions
        self._looks: dict[str, _Look] = {}
        self._drift: dict[str, int] = {}

    def once(self) -> PollResult:
        """One round, waited for: two execs a host, the second of which compares it with the inventory."""
        taken = time.time()
        self._begin(drift=True)
        for look in self._looks.values():
            look.compared.wait()
        return self._result(taken)

    def take(self, patience: float, *, drift: bool) -> PollResult:
        """The next round: one exec a host, all at once; where `drift` is to be known, a second one is not waited for.

        A host that has not answered after `patience` seconds counts as one that does not answer. Its look goes on, and
        no later round waits for it until it has ended: its answer would be an old one, so another look is made then.
        """
        taken = time.time()
        for look in self._begin(drift):
            look.ended.wait(max(0.0, look.began + patience - time.monotonic()))
        return self._result(taken)

    def _begin(self, drift: bool) -> list[_Look]:
        """Start a look at every host that none goes on at; returns those."""
        begun = []
        for host in self._sessions.targets:
            if host not in self._looks or self._looks[host].ended.is_set():
                look = self._looks[host] = _Look()
                threading.Thread(target=self._look, args=(host, look, drift), daemon=True).start()
                begun.append(look)
        return begun

    def _look(self, host: str, look: _Look, drift: bool) -> None:
        try:
            live, sections = look_with(self._sessions.of(host), "status")
            look.answer = live, parse_host_log(sections)
            look.ended.set()
            if drift:
                self._compare(host, look.answer[1])
        except HostError as error:
            look.error = error
        finally:
            look.ended.set()
            look.compared.set()

    def _compare(self, host: str, recall: HostLog) -> None:
        """Note how many changes a deploy would make, where that can be said."""
        project = self._project
        try:
            desired, observed = observe(
                self._sessions.of(host), lambda facts: project.render(host, facts)
            )
        except HactlError:
            self._drift.pop(host, None)
            return
        plan = plan_host(desired, observed, project.inventory.secrets)
        self._drift[host] = len(plan.changes) + len(
            tuple(manually_removed_servers(plan, recall.health, observed.table))
        )

    def _result(self, taken: float) -> PollResult:
        lives, recalls, errors = {}, {}, {}
        for host, look in self._looks.items():
            if look.ended.is_set() and look.answer:
                lives[host], recalls[host] = look.answer
            else:
                waited = time.monotonic() - look.began
                errors[host] = str(look.error) if look.error else f"no answer for {waited:.0f} s"
        drift = {host: count for host, count in dict(self._drift).items() if host in lives}
        return PollResult(Snapshot(self._project.topology, lives), recalls, errors, drift, taken)
