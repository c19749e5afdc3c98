"""The environment of a run of drills: its hosts and their state, the watchers, the client."""

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
"""The trace of a watcher (agent/watch.sh), which runs during the whole run."""


class Broken(HactlError):
    """A front end is broken before any drill."""


@dataclass
class Environment:
    """The hosts of a run: its directors and real servers.

    `lab` is the name of the hosts' lab; it is empty for real hosts. `client` logs in to the host
    that probes. `leftovers` are messages about faults of an interrupted run, undone by `look`.
    """

    topology: Topology
    sessions: Sessions
    client: Callable[[], Session]
    services: tuple[ProbeService, ...]
    lab: str
    events: Events
    watch: Watch = field(init=False)
    live_hosts: Mapping[str, LiveHost] = field(init=False, default_factory=dict)
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
        """Inspect every host. Raises HostError for a host that cannot be inspected."""
        self.live_hosts, self.traces = self._inspect(), self._traces()

    def broken(self, frontend: ResolvedFrontend) -> tuple[str, ...]:
        """The problems of a front end and its hosts, as of the last inspection.

        A clock that differs is no problem: figures come from monotonic clocks.
        """
        problems = judge(Snapshot(self.topology, self.live_hosts), frontend)
        return tuple(str(problem) for problem in problems if problem.check != "clock")

    def context(self, drill: str, frontend: ResolvedFrontend) -> DrillContext:
        """The context of a drill on a front end."""
        before = {
            str(vip.address): self.watch.holders(str(vip.address))
            for other in self.topology.frontends
            for vip in other.vips
        }
        holder = holder_of(frontend, [before[str(vip.address)] for vip in frontend.vips])
        return DrillContext(
            drill,
            self.topology,
            frontend,
            self.sessions,
            self.watch,
            self.live_hosts,
            self.lab,
            holder,
            successor(Snapshot(self.topology, self.live_hosts), frontend, holder),
            before,
            self.client,
        )

    def watchers_left(self) -> tuple[str, ...]:
        """Messages about watchers that still run after the run has ended. Raises HostError."""
        names = {host: traced for host, (traced, _) in traces(self.sessions, self.hosts).items()}
        return tuple(
            f"{host}: a watcher of its addresses is left behind"
            for host in self.hosts
            if WATCHER in names[host] and host not in self._watched_before
        )

    def left_behind(self) -> tuple[str, ...]:
        """Inspect again; returns messages about differences. Raises HostError."""
        before, traced = self.live_hosts, self.traces
        self.look()
        moving = frozenset(
            str(vip.address)
            for frontend in self.topology.frontends
            if frontend.vrrp.nopreempt
            for vip in frontend.vips
        )
        messages: list[str] = []
        for host in self.hosts:
            rebooted = before[host].boot_id != self.live_hosts[host].boot_id
            messages += differences(before[host], self.live_hosts[host], moving)
            messages += trace_differences(host, traced[host], self.traces[host], rebooted)
        return tuple(messages)

    def _inspect(self) -> dict[str, LiveHost]:
        live_hosts: dict[str, LiveHost] = {}
        for host, live in look_at(self.sessions, *self.hosts).items():
            if isinstance(live, HostError):
                raise live
            live_hosts[host] = live
        return live_hosts

    def _traces(self) -> Traces:
        """The traces of drills on each host, without watchers; adds to `leftovers`."""
        answers = traces(self.sessions, self.hosts)
        for host, (_, undone) in answers.items():
            self.leftovers += tuple(
                f"{host}: undid the fault {name} of an interrupted run" for name in undone
            )
        if not self.traces:  # the first inspection, before any watcher of this run
            self._watched_before = frozenset(
                host for host, (traced, _) in answers.items() if WATCHER in traced
            )
        return {host: traced - {WATCHER} for host, (traced, _) in answers.items()}
