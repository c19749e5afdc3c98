"""Drains a roll's brokers on the directors before a restart, and undrains them afterwards."""

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
"""The end of an owner's name that marks the drain of a roll; a later roll undrains that broker."""


def by_rolls(drained: Mapping[str, str]) -> frozenset[str]:
    """Return the hosts that a roll drained; `drained` has `OWNER, TIME` by host. Pure."""
    return frozenset(
        host for host, origin in drained.items() if origin.partition(",")[0].endswith(BY_ROLL)
    )


def senders(topology: Topology, *hosts: str) -> tuple[str, ...]:
    """Return the directors that send connections to hosts; none if no front end has them. Pure."""
    directors = (
        director
        for host in hosts
        if topology.served_by(host)
        for director in directors_of(topology, host)
    )
    return tuple(dict.fromkeys(directors))


@dataclass
class DirectorDrains:
    """The drains of a cluster's brokers on their directors, by roll and by operator."""

    topology: Topology
    sessions: Sessions
    owner: str
    digest: str
    events: Events
    drained_by_roll: frozenset[str] = frozenset()
    drained_by_operator: frozenset[str] = frozenset()

    def look(self, *hosts: str) -> Snapshot:
        """Inspect the directors of `hosts`, and update the drains.

        Raises HostError if a director does not answer.
        """
        states = (
            look_at(self.sessions, *directors)
            if (directors := senders(self.topology, *hosts))
            else {}
        )
        lives = {}
        for name, state in states.items():
            if isinstance(state, HostError):
                raise state
            lives[name] = state
        drained = {name: origin for live in lives.values() for name, origin in live.drained.items()}
        by_roll = by_rolls(drained)
        self.drained_by_roll = (self.drained_by_roll - set(hosts)) | (by_roll & set(hosts))
        self.drained_by_operator = (self.drained_by_operator - set(hosts)) | (
            set(drained) & set(hosts) - by_roll
        )
        return Snapshot(self.topology, lives)

    def refusal(self, host: str) -> str:
        """Return why the host must not be drained now; empty if it may, or has no director.

        Raises HostError if a director does not answer.
        """
        snapshot = self.look(host)
        problem = (
            refusal(snapshot, host)
            if snapshot.lives and host not in self.drained_by_operator
            else None
        )
        return problem.line() if problem else ""

    def drain(self, host: str) -> None:
        """Send the host no new connections; a host that an operator drained stays as it is.

        Raises HostError if a director fails; the other directors have then undrained the host.
        """
        if senders(self.topology, host) and host not in self.drained_by_operator:
            self._send("drain", host)
            self.drained_by_roll |= {host}

    def undrain(self, host: str) -> None:
        """Send new connections again to a host that a roll drained.

        Raises HostError if a director fails.
        """
        if host in self.drained_by_roll:
            self._send("undrain", host)
            self.drained_by_roll -= {host}

    def _send(self, verb: str, host: str) -> None:
        order = DrainRequest(verb, "server", host, f"{self.owner}{BY_ROLL}", self.digest)
        drain_on_all(self.sessions.of, senders(self.topology, host), order, self.events)
