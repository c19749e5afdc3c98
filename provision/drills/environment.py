"""Everything that a run of drills has at hand: the hosts, the watchers, the client, and how the hosts are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provision.core.errors import HactlError, HostError
from provision.core.events import Events
from provision.drills.context import DrillContext, holder_of, successor
from provision.drills.leftovers import differences, trace_differences
from provision.drills.watch import Watch
from provision.hosts.agent.fault import traces
from provision.hosts.agent.look import look_at
from provision.hosts.channel import Session
from provision.hosts.live.checks import judge
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost
from provision.hosts.sessions import Sessions
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober.record import ProbeService

Traces = Mapping[str, frozenset[str]]

WATCHER = "process monitor"
"""The trace of a watcher (agent/watch.sh), which runs all through a run."""


class Broken(HactlError):
    """A front end is not as it should be before anything was done to it."""


@dataclass
class Environment:
    """The hosts of a run. `hosts` are the directors and real servers; `lab` is their lab's name, empty for real ones.

    `client` logs in to the host that probes, and `leftovers` says what a dead run had left and was undone first.
    """

    topology: Topology
    sessions: Sessions
    client: Callable[[], Session]
    services: tuple[ProbeService, ...]
    lab: str
    events: Events
    watch: Watch = field(init=False)
    lives: Mapping[str, LiveHost] = field(init=False, default_factory=dict)
    traces: Traces = field(init=False, default_factory=dict)
    leftovers: tuple[str, ...] = ()
    _watched_before: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.watch = Watch(self.sessions, self.topology.directors())

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that drills break."""
        names = {*self.topology.directors(), *self.topology.real_servers()}
        return tuple(host for host in self.topology.hosts if host in names)

    def look(self) -> None:
        """See how every host is now. Raises HostError for one that cannot be looked at."""
        self.lives, self.traces = self._looked(), self._traces()

    def broken(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """What is not as it should be with a front end and its hosts, as of the last look.

        A clock that differs breaks nothing: figures are of monotonic clocks.
        """
        found = judge(Snapshot(self.topology, self.lives), frontend)
        return tuple(str(finding) for finding in found if finding.check != "clock")

    def stage(self, drill: str, frontend: ResolvedFrontend) -> DrillContext:
        """What a drill on a front end works with."""
        before = {
            str(vip.address): self.watch.holders(str(vip.address))
            for one in self.topology.frontends
            for vip in one.vips
        }
        holder = holder_of(frontend, [before[str(vip.address)] for vip in frontend.vips])
        return DrillContext(
            drill,
            self.topology,
            frontend,
            self.sessions,
            self.watch,
            self.lives,
            self.lab,
            holder,
            successor(Snapshot(self.topology, self.lives), frontend, holder),
            before,
            self.client,
        )

    def watchers_left(self) -> tuple[str, ...]:
        """Hosts on which a watcher goes on though the watching has ended. Raises HostError."""
        found = {host: traced for host, (traced, _) in traces(self.sessions, self.hosts).items()}
        new = [
            host
            for host in self.hosts
            if WATCHER in found[host] and host not in self._watched_before
        ]
        return tuple(f"{host}: a watcher of its addresses is left behind" for host in new)

    def left_behind(self) -> tuple[str, ...]:
        """What is not as it was at the last look, in words; looks again."""
        before, traced = self.lives, self.traces
        self.look()
        moving = frozenset(
            str(vip.address)
            for one in self.topology.frontends
            if one.vrrp.nopreempt
            for vip in one.vips
        )
        found: list[str] = []
        for host in self.hosts:
            rebooted = before[host].boot_id != self.lives[host].boot_id
            found += differences(before[host], self.lives[host], moving)
            found += trace_differences(host, traced[host], self.traces[host], rebooted)
        return tuple(found)

    def _looked(self) -> dict[str, LiveHost]:
        found: dict[str, LiveHost] = {}
        for host, live in look_at(self.sessions, *self.hosts).items():
            if isinstance(live, HostError):
                raise live
            found[host] = live
        return found

    def _traces(self) -> Traces:
        found = traces(self.sessions, self.hosts)
        for host, (_, undone) in found.items():
            self.leftovers += tuple(
                f"{host}: undid {name}, which a run that died had left behind" for name in undone
            )
        if not self.traces:  # before anything was watched
            self._watched_before = frozenset(
                host for host, (traced, _) in found.items() if WATCHER in traced
            )
        return {host: traced - {WATCHER} for host, (traced, _) in found.items()}
