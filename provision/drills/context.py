"""What a drill works with: the front end, the logins, the watchers, and the faults that are in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from provision.core.errors import HostError
from provision.desired.timing import max_return_time
from provision.drills.table import as_intended
from provision.drills.watch import Watch
from provision.hosts.agent.fault import Fault, FaultSpec
from provision.hosts.channel import Session
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.sessions import Sessions
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober.session import Prober

GUARD = 60
"""Seconds after which a host undoes a fault by itself at the earliest; most drills take a quarter of that."""


@dataclass
class DrillContext:
    """One drill on one front end.

    `holder` is the director that held the addresses when it began, `successor` the one that must take over (empty
    with one director). `lives` are the hosts as they were before, and `before` says who held each address of every
    front end. `lab` is the name of the lab they are in, empty for hosts of one's own. `client` logs in to the client.
    Moments are the controller's `time.monotonic()`.
    """

    drill: str
    topology: Topology
    frontend: ResolvedFrontend
    sessions: Sessions
    watch: Watch
    lives: Mapping[str, LiveHost]
    lab: str
    holder: str
    successor: str
    before: Mapping[str, tuple[str, ...]]
    client: Callable[[], Session]
    prober: Prober | None = None
    faults: list[Fault] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def vips(self) -> tuple[str, ...]:
        """The front end's addresses."""
        return tuple(str(vip.address) for vip in self.frontend.vips)

    @property
    def directors(self) -> tuple[str, ...]:
        """The front end's directors, the best first."""
        return tuple(director.host for director in self.frontend.directors)

    def mark(self, text: str, at: float | None = None) -> None:
        """Note on the time axis what was done or noticed."""
        self.marks.append((time.monotonic() if at is None else at, text))

    def arm(self, host: str, kind: str, *arguments: str) -> Fault:
        """A fault made ready, its guard running. Raises HostError."""
        spec = FaultSpec(host, kind, arguments)
        fault = Fault(self.sessions, f"{self.drill}-{self.frontend.name}", spec, self.guard(host))
        self.faults.append(fault)
        fault.arm()
        self.notes += [
            f"{host}: undid {name}, which a run that died had left behind"
            for name in fault.leftovers
        ]
        return fault

    def guard(self, host: str) -> int:
        """Seconds of a guard: where a real server needs long until its checks find it well, its drill takes longer."""
        return (
            max(GUARD, 2 * int(max_return_time(self.frontend)))
            if host in self.frontend.real_servers
            else GUARD
        )

    def break_host(self, host: str, kind: str, *arguments: str) -> float:
        """Arm a fault and inject it; returns when. Raises HostError."""
        return self.arm(host, kind, *arguments).inject()

    def heal(self) -> None:
        """Undo every fault that is in place, all at once. Raises the first HostError after all were tried."""
        faults, self.faults = self.faults, []
        if not faults:
            return
        with ThreadPoolExecutor(len(faults), thread_name_prefix="undo") as pool:
            errors = [error for error in pool.map(_undone, faults) if error]
        if errors:
            raise errors[0]

    def held_by(self, *hosts: str) -> bool:
        """Whether exactly these directors hold each of the front end's addresses."""
        return all(set(self.watch.holders(vip)) == set(hosts) for vip in self.vips)

    def held(self) -> str:
        """Who holds what, in words: `192.168.227.10 is held by lvs1`."""
        return ", ".join(
            f"{vip} is held by {' and '.join(self.watch.holders(vip)) or 'nobody'}"
            for vip in self.vips
        )

    def table_intended(self, host: str) -> bool:
        """Whether a director has each of the front end's real servers in its table with its weight."""
        return as_intended(self.watch.now(host).table, self.frontend)

    def tables_intended(self) -> bool:
        """Whether every director of the front end has."""
        return all(self.table_intended(host) for host in self.directors)

    def recovered(self) -> bool:
        """Whether every address of every front end is where it was, and the tables are whole.

        With `nopreempt` an address need not come back, but it must have one holder.
        """
        stays = {
            str(vip.address)
            for one in self.topology.frontends
            if one.vrrp.nopreempt
            for vip in one.vips
        }
        return self.tables_intended() and all(
            len(self.watch.holders(vip)) == 1
            if vip in stays
            else set(self.watch.holders(vip)) == set(hosts)
            for vip, hosts in self.before.items()
        )

    def mac(self, host: str) -> str:
        """The hardware address under which clients must reach the addresses while `host` holds them."""
        seen = Snapshot(self.topology, self.lives)
        interface = next(
            each.interface for live, each, _ in seen.instances(self.frontend) if live.host == host
        )
        own = next((vip.interface for vip in self.frontend.vips if vip.interface), None)
        return self.lives[host].macs[own or interface]


def _undone(fault: Fault) -> HostError | None:
    try:
        fault.undo()
    except HostError as error:
        return error
    return None


def successor(seen: Snapshot, frontend: ResolvedFrontend, holder: str) -> str:
    """The director that must take over from `holder`: the one with the highest effective priority of the others."""
    others = [
        (own.priority, live.host)
        for live, _, own in seen.instances(frontend)
        if own and live.host != holder
    ]
    return max(others, key=lambda each: each[0])[1] if others else ""


def holder_of(frontend: ResolvedFrontend, holders: Sequence[tuple[str, ...]]) -> str:
    """The one director that holds all addresses of a front end, its master where they do not agree."""
    hosts = {host for each in holders for host in each}
    return hosts.pop() if len(hosts) == 1 else frontend.master
