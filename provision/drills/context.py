"""The context of a drill: the front end, the logins, the watchers, and the faults in place."""

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

MIN_GUARD_SECONDS = 60
"""Seconds after which a host undoes a fault by itself at the earliest.

Most drills take a quarter of that.
"""


@dataclass
class DrillContext:
    """One drill on one front end.

    `holder` is the director that held the addresses when the drill began. `successor` is the
    director that must take over; it is empty with one director. `live_hosts` are the hosts as they
    were before the drill, and `before` names the holders of each address of every front end. `lab`
    is the name of the hosts' lab; it is empty for real hosts. `client` logs in to the client.
    Moments are the controller's `time.monotonic()`.
    """

    drill: str
    topology: Topology
    frontend: ResolvedFrontend
    sessions: Sessions
    watch: Watch
    live_hosts: Mapping[str, LiveHost]
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
        """The front end's directors, the highest priority first."""
        return tuple(director.host for director in self.frontend.directors)

    def mark(self, text: str, at: float | None = None) -> None:
        """Put an event on the time axis, now or at the moment `at`."""
        self.marks.append((time.monotonic() if at is None else at, text))

    def arm(self, host: str, kind: str, *arguments: str) -> Fault:
        """Prepare a fault and start its guard. Raises HostError."""
        spec = FaultSpec(host, kind, arguments)
        name = f"{self.drill}-{self.frontend.name}"
        fault = Fault(self.sessions, name, spec, self.guard_seconds(host))
        self.faults.append(fault)
        fault.arm()
        self.notes += [
            f"{host}: undid the fault {leftover} of an interrupted run"
            for leftover in fault.leftovers
        ]
        return fault

    def guard_seconds(self, host: str) -> int:
        """Seconds after which the guard on `host` undoes a fault.

        Drills of a real server take longer where its health checks are slow to succeed again.
        """
        if host not in self.frontend.real_servers:
            return MIN_GUARD_SECONDS
        return max(MIN_GUARD_SECONDS, 2 * int(max_return_time(self.frontend)))

    def break_host(self, host: str, kind: str, *arguments: str) -> float:
        """Arm a fault and inject it; returns the moment. Raises HostError."""
        return self.arm(host, kind, *arguments).inject()

    def undo_faults(self) -> None:
        """Undo all faults in place at once. Raises the first HostError after all were tried."""
        faults, self.faults = self.faults, []
        if not faults:
            return
        with ThreadPoolExecutor(len(faults), thread_name_prefix="undo") as pool:
            errors = [error for error in pool.map(_undo_error, faults) if error]
        if errors:
            raise errors[0]

    def held_by(self, *hosts: str) -> bool:
        """Whether each of the front end's addresses is held by these directors and no other."""
        return all(set(self.watch.holders(vip)) == set(hosts) for vip in self.vips)

    def holders_text(self) -> str:
        """The holders of each address: `192.168.227.10 is held by lvs1`."""
        return ", ".join(
            f"{vip} is held by {' and '.join(self.watch.holders(vip)) or 'nobody'}"
            for vip in self.vips
        )

    def table_intended(self, host: str) -> bool:
        """Whether a director's table has each of the front end's real servers with its weight."""
        return as_intended(self.watch.latest(host).table, self.frontend)

    def tables_intended(self) -> bool:
        """Whether the table of every director of the front end is as intended."""
        return all(self.table_intended(host) for host in self.directors)

    def recovered(self) -> bool:
        """Whether all addresses of all front ends are back, and the tables are as intended.

        With `nopreempt` an address may stay on another director, but it must have one holder.
        """
        without_preemption = {
            str(vip.address)
            for frontend in self.topology.frontends
            if frontend.vrrp.nopreempt
            for vip in frontend.vips
        }
        return self.tables_intended() and all(
            len(self.watch.holders(vip)) == 1
            if vip in without_preemption
            else set(self.watch.holders(vip)) == set(hosts)
            for vip, hosts in self.before.items()
        )

    def mac(self, host: str) -> str:
        """The MAC at which clients must reach the addresses while `host` holds them."""
        snapshot = Snapshot(self.topology, self.live_hosts)
        vrrp_interface = next(
            instance.interface
            for live, instance, _ in snapshot.instances(self.frontend)
            if live.host == host
        )
        vip_interface = next((vip.interface for vip in self.frontend.vips if vip.interface), None)
        return self.live_hosts[host].macs[vip_interface or vrrp_interface]


def _undo_error(fault: Fault) -> HostError | None:
    """Undo a fault; returns the error where that fails."""
    try:
        fault.undo()
    except HostError as error:
        return error
    return None


def successor(snapshot: Snapshot, frontend: ResolvedFrontend, holder: str) -> str:
    """The director that must take over from `holder`: the other one with the highest priority.

    The effective priority counts. Empty where there is no other director.
    """
    others = [
        (instance.priority, live.host)
        for live, _, instance in snapshot.instances(frontend)
        if instance and live.host != holder
    ]
    return max(others, key=lambda other: other[0])[1] if others else ""


def holder_of(frontend: ResolvedFrontend, holders: Sequence[tuple[str, ...]]) -> str:
    """The director that holds all addresses of a front end; its master where several hold them."""
    hosts = {host for holding in holders for host in holding}
    return hosts.pop() if len(hosts) == 1 else frontend.master
