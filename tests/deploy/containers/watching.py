"""The view of a client and of the directors during a deploy: requests every 5 ms, and holders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.drills.director_state import DirectorState
from provision.drills.watch import Watch
from provision.prober.measure import failed, noise, outage, slow_after, slowest
from provision.prober.record import ProbeService, Recording, Request
from provision.prober.session import Prober
from tests.deploy.containers.containers import DIRECTORS, DeployResult, Site

SECONDS_BEFORE, SECONDS_AFTER = 1.5, 2.0
"""The duration of requests before the deploy, and after it."""


@dataclass(frozen=True)
class Timeline:
    """A deploy from `began` to `ended` (the controller's monotonic clock), and the records of it.

    `offset` is the client's clock minus the controller's.
    """

    result: DeployResult
    recording: Recording
    states: tuple[DirectorState, ...]
    began: float
    ended: float
    offset: float

    def shared(self, *vips: str) -> float:
        """Seconds in which two directors held any of these addresses, counted as one address."""
        return sum(end - start for start, end, hosts in self.spans(*vips) if len(hosts) > 1)

    def unheld(self, *vips: str) -> float:
        """The longest time in seconds in which no director held any of these addresses."""
        longest, since = 0.0, None
        for start, end, hosts in self.spans(*vips):
            since = None if hosts else start if since is None else since
            longest = max(longest, 0.0 if since is None else end - since)
        return longest

    def spans(self, *vips: str) -> Iterator[tuple[float, float, set[str]]]:
        """The directors that held any of these addresses, with the start and end of each span."""
        latest: dict[str, DirectorState] = {}
        states = sorted(self.states, key=lambda state: state.at)
        ends = [*(state.at for state in states[1:]), self.ended]
        for state, end in zip(states, ends, strict=True):
            latest[state.host] = state
            if end > self.began and len(latest) == len(DIRECTORS):
                holders = {host for host, last in latest.items() if last.held & set(vips)}
                yield max(state.at, self.began), end, holders

    def requests(self, address: str) -> list[Request]:
        """The requests to an address from the beginning of the deploy on."""
        addresses = [service.address for service in self.recording.services]
        index = addresses.index(address)
        return [
            request
            for request in self.recording.requests
            if request.service == index and request.start >= self._start
        ]

    @property
    def _start(self) -> float:
        return self.began + self.offset

    def lost(self, address: str) -> float:
        """The longest run of failed or late requests to an address, in seconds."""
        baseline = noise(
            request for request in self.recording.requests if request.start < self._start
        )
        return outage(self.requests(address), slow_after(baseline)) / 1000

    def figures(self, *vips: str) -> str:
        """The figures as text."""
        lines = []
        for vip in vips:
            requests = self.requests(vip)
            counts = f"{failed(requests)}/{len(requests)} failed"
            times = f"slowest {slowest(requests) or 0:.0f} ms, lost {self.lost(vip):.3f} s"
            lines.append(f"{vip}: {counts}, {times}")
        shared, unheld = self.shared(*vips), self.unheld(*vips)
        return f"{'; '.join(lines)}; on two hosts {shared:.3f} s, on none {unheld:.3f} s"


def watched(site: Site, deploy: Callable[[], DeployResult], *vips: str) -> Timeline:
    """Deploy while a client asks each VIP for a page every 5 ms and the directors are watched."""
    services = [ProbeService("web", vip, vip, 80, "/") for vip in vips]
    with (
        site.sessions() as sessions,
        Watch(sessions, DIRECTORS) as watch,
        Prober.start(
            sessions.of("client"), services, cadence=0.005 * len(vips), connections=0
        ) as prober,
    ):
        time.sleep(SECONDS_BEFORE)
        began = time.monotonic()
        result = deploy()
        time.sleep(SECONDS_AFTER)
        ended = time.monotonic()
        recording = prober.stop()
        return Timeline(result, recording, watch.states(began), began, ended, prober.offset)
