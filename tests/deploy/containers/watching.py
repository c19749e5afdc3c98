"""What a client and the directors see while something is deployed: requests every 5 ms, and who holds which address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.drills.director_state import DirectorState
from provision.drills.watch import Watch
from provision.prober.measure import failed, noise, outage, slow_after, slowest
from provision.prober.record import ProbeService, Recording, Request
from provision.prober.session import Prober
from tests.deploy.containers.containers import DIRECTORS, Done, Site

#: Seconds of requests before the deploy, and after it.
QUIET, AFTER = 1.5, 2.0


@dataclass(frozen=True)
class Course:
    """A deploy as it was seen, from `began` to `ended` by the controller's monotonic clock."""

    done: Done
    recording: Recording
    sights: tuple[DirectorState, ...]
    began: float
    ended: float
    offset: float

    def shared(self, *vips: str) -> float:
        """Seconds in which two directors held one of these addresses; those that follow one another count as one."""
        return sum(end - start for start, end, hosts in self.spans(*vips) if len(hosts) > 1)

    def unheld(self, *vips: str) -> float:
        """The longest time in seconds in which no director held any of these addresses."""
        longest, since = 0.0, None
        for start, end, hosts in self.spans(*vips):
            since = None if hosts else start if since is None else since
            longest = max(longest, 0.0 if since is None else end - since)
        return longest

    def spans(self, *vips: str) -> Iterator[tuple[float, float, set[str]]]:
        """From when to when which directors held any of these addresses."""
        now: dict[str, DirectorState] = {}
        moments = sorted(self.sights, key=lambda sight: sight.at)
        ends = [*(each.at for each in moments[1:]), self.ended]
        for sight, end in zip(moments, ends, strict=True):
            now[sight.host] = sight
            if end > self.began and len(now) == len(DIRECTORS):
                yield (
                    max(sight.at, self.began),
                    end,
                    {host for host, own in now.items() if own.held & set(vips)},
                )

    def requests(self, address: str) -> list[Request]:
        """The requests to an address from the beginning of the deploy on."""
        index = next(
            at for at, service in enumerate(self.recording.services) if service.address == address
        )
        return [
            one
            for one in self.recording.requests
            if one.service == index and one.start >= self._since
        ]

    @property
    def _since(self) -> float:
        return self.began + self.offset

    def lost(self, address: str) -> float:
        """The longest run of failed or late requests to an address, in seconds."""
        floor = noise(one for one in self.recording.requests if one.start < self._since)
        return outage(self.requests(address), slow_after(floor)) / 1000

    def figures(self, *vips: str) -> str:
        """The figures, for a person."""
        per_vip = (
            f"{vip}: {failed(own)}/{len(own)} failed, slowest {slowest(own) or 0:.0f} ms, lost {self.lost(vip):.3f} s"
            for vip in vips
            for own in [self.requests(vip)]
        )
        return f"{'; '.join(per_vip)}; on two hosts {self.shared(*vips):.3f} s, on none {self.unheld(*vips):.3f} s"


def watched(site: Site, act: Callable[[], Done], *vips: str) -> Course:
    """Do something to a site while each VIP is asked for a page every 5 ms and the directors are watched."""
    services = [ProbeService("web", vip, vip, 80, "/") for vip in vips]
    with (
        site.sessions() as sessions,
        Watch(sessions, DIRECTORS) as watch,
        Prober.start(
            sessions.of("client"), services, cadence=0.005 * len(vips), connections=0
        ) as prober,
    ):
        time.sleep(QUIET)
        began = time.monotonic()
        done = act()
        time.sleep(AFTER)
        ended = time.monotonic()
        recording = prober.stop()
        return Course(done, recording, watch.states(began), began, ended, prober.offset)
