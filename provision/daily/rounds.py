"""Rounds of looks at all managed hosts over logins that stay open; a host that does not answer holds up no other."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from provision.errors import HactlError, HostError
from provision.live.look import look_with
from provision.live.seen import Seen
from provision.live.sessions import Sessions
from provision.live.state import LiveHost
from provision.observe import observe
from provision.plan import plan_host
from provision.project import Project
from provision.status.build import Looked, Recalled, recalled

Answer = tuple[LiveHost, Recalled, int | None]


@dataclass
class _Look:
    """A look at one host that goes on or has ended."""

    began: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    error: HostError | None = None


class Rounds:
    """Looks at the managed hosts again and again; `sessions` are theirs."""

    def __init__(self, project: Project, sessions: Sessions) -> None:
        self._project = project
        self._sessions = sessions
        self._looks: dict[str, _Look] = {}
        self._drift: dict[str, int] = {}

    def take(self, patience: float | None = None, *, drift: bool = True) -> Looked:
        """A round: one exec a host, and one more where `drift` is to be known as well, all hosts at once.

        After `patience` seconds a host that has not answered counts as one that does not; its look goes on.
        """
        taken = time.time()
        for host in self._sessions.targets:
            if host not in self._looks or self._looks[host].ended.is_set():
                self._looks[host] = look = _Look()
                threading.Thread(target=self._look, args=(host, look, drift), daemon=True).start()
        deadline = None if patience is None else time.monotonic() + patience
        for look in self._looks.values():
            look.ended.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return self._result(taken)

    def _look(self, host: str, look: _Look, drift: bool) -> None:
        try:
            session = self._sessions.of(host)
            live, sections = look_with(session, "status")
            look.answer = live, recalled(sections), self._changes(host) if drift else None
        except HostError as error:
            look.error = error
        finally:
            look.ended.set()

    def _changes(self, host: str) -> int | None:
        """How many changes a deploy would make; None where that cannot be said."""
        project = self._project
        try:
            desired, observed = observe(self._sessions.of(host), lambda facts: project.render(host, facts))
        except HactlError:
            return None
        return len(plan_host(desired, observed, project.inventory.secrets).changes)

    def _result(self, taken: float) -> Looked:
        lives, recalls, errors = {}, {}, {}
        for host, look in self._looks.items():
            if look.ended.is_set() and look.answer:
                lives[host], recalls[host], changes = look.answer
                if changes is not None:
                    self._drift[host] = changes
            else:
                waited = time.monotonic() - look.began
                errors[host] = str(look.error) if look.error else f"no answer for {waited:.0f} s"
        drift = {host: count for host, count in self._drift.items() if host in lives}
        return Looked(Seen(self._project.topology, lives), recalls, errors, drift, taken)
