"""A roll's brokers behind the front ends: drained while they are away, and given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.core.errors import HostError
from provision.core.events import Events
from provision.deploy.drain import DrainRequest, directors_of, drain_on_all, refusal
from provision.hosts.agent.look import look_at
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.sessions import Sessions
from provision.inventory.topology import Topology

BY_ROLL = "/kafka-roll"
"""How the name ends of who drained a broker in a roll, so that a later run knows which to give back."""


def by_rolls(drained: Mapping[str, str]) -> frozenset[str]:
    """The hosts that a roll drained, `drained` saying of each `WHO, WHEN`. Pure."""
    return frozenset(
        host for host, words in drained.items() if words.partition(",")[0].endswith(BY_ROLL)
    )


def senders(topology: Topology, *hosts: str) -> tuple[str, ...]:
    """The directors that send connections to hosts; none where these are behind no front end. Pure."""
    found = (
        each for host in hosts if topology.served_by(host) for each in directors_of(topology, host)
    )
    return tuple(dict.fromkeys(found))


@dataclass
class DirectorDrains:
    """The directors of a cluster's brokers. `ours` are the hosts that a roll has drained, `theirs` an operator."""

    topology: Topology
    sessions: Sessions
    owner: str
    digest: str
    events: Events
    ours: frozenset[str] = frozenset()
    theirs: frozenset[str] = frozenset()

    def look(self, *hosts: str) -> Snapshot:
        """Look at the directors of some hosts, and learn who is drained. Raises HostError where one does not answer."""
        found = (
            look_at(self.sessions, *directors)
            if (directors := senders(self.topology, *hosts))
            else {}
        )
        for one in found.values():
            if isinstance(one, HostError):
                raise one
        lives = {name: one for name, one in found.items() if not isinstance(one, HostError)}
        drained = {name: by for live in lives.values() for name, by in live.drained.items()}
        mine = by_rolls(drained)
        self.ours = (self.ours - set(hosts)) | (mine & set(hosts))
        self.theirs = (self.theirs - set(hosts)) | (set(drained) & set(hosts) - mine)
        return Snapshot(self.topology, lives)

    def refusal(self, host: str) -> str:
        """Why it must not be drained now; empty where it may, and where nobody sends it anything.

        Raises HostError where a director does not answer.
        """
        seen = self.look(host)
        problem = refusal(seen, host) if seen.lives and host not in self.theirs else None
        return problem.line() if problem else ""

    def drain(self, host: str) -> None:
        """No new connections for it. One that an operator has drained is left as it is, and stays so afterwards.

        Raises HostError where a director cannot be told; the others have taken it back then.
        """
        if senders(self.topology, host) and host not in self.theirs:
            self._tell("drain", host)
            self.ours |= {host}

    def give_back(self, host: str) -> None:
        """New connections for it again, where a roll drained it. Raises HostError where a director cannot be told."""
        if host in self.ours:
            self._tell("undrain", host)
            self.ours -= {host}

    def _tell(self, verb: str, host: str) -> None:
        order = DrainRequest(verb, "server", host, f"{self.owner}{BY_ROLL}", self.digest)
        drain_on_all(self.sessions.of, senders(self.topology, host), order, self.events)
