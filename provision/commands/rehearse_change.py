"""A change under load: what clients of the services that stay see while another inventory is deployed over the first.

The prober asks every service that both inventories have, from before the deploy until the front end has settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from provision.core.errors import LabError
from provision.core.terminal import DIM, GREEN, RED, Line, wrapped
from provision.hosts.ssh import SshSession
from provision.inventory.topology import Topology
from provision.prober.measure import (
    Baseline,
    failed,
    noise,
    outage,
    slow_after,
    slowest,
    split_brain_intervals,
    survivors,
)
from provision.prober.record import Advert, ProbeService, Recording, Request
from provision.prober.session import Prober

#: Long-lived connections, over all services.
CONNECTIONS = 200
#: Seconds of requests before the deploy begins, to know what is usual.
FLOOR_SECONDS = 3.0
#: Seconds without a bad request after which the front end has settled.
QUIET_SECONDS = 3.0
#: Seconds after the deploy at which it counts as settled in any case; the figures then say what was not.
SETTLE_TIMEOUT = 60.0
#: Columns for a service's name, so that a line fits into 80.
NAME_WIDTH = 36
#: Seconds after which the prober ends by itself, should the controller be gone.
LIMIT = 900.0


@dataclass(frozen=True)
class ServiceSeen:
    """What clients saw of one service; `outage_ms` is the longest run of failed or late requests.

    `established` long-lived connections were open when the deploy began; `survived` of them were not lost.
    """

    name: str
    requests: int
    failed_requests: int
    slowest_ms: float | None
    outage_ms: float
    established: int
    survived: int


@dataclass(frozen=True)
class ChangeRun:
    """How a change looked from outside: the services in both inventories, those that went, those that came.

    `plan` counts what the deploy changed. `usual_ms` is the slowest good answer before it began; `seconds` is the
    time until the front end had settled.
    """

    services: tuple[ServiceSeen, ...] = ()
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    plan: str = ""
    messages: tuple[str, ...] = ()
    usual_ms: float | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no request to a service that stays failed."""
        return not any(service.failed_requests for service in self.services)

    def summary(self) -> str:
        """What clients saw of it, in one line."""
        if not self.services:
            return self.plan
        requests = sum(service.requests for service in self.services)
        failures = sum(service.failed_requests for service in self.services)
        return f"{self.plan} {failures} of {requests} requests failed."

    def json(self) -> dict[str, Any]:
        """The change's part of `rehearse --json`."""
        services = [
            {
                key: round(value, 1) if isinstance(value, float) else value
                for key, value in asdict(service).items()
            }
            for service in self.services
        ]
        return {
            "ok": self.ok,
            "plan": self.plan,
            "services": services,
            "gone": list(self.gone),
            "new": list(self.new),
            "usual_ms": None if self.usual_ms is None else round(self.usual_ms, 1),
            "seconds": round(self.seconds, 1),
            "messages": list(self.messages),
        }


def compare(
    before: Iterable[ProbeService], after: Iterable[ProbeService]
) -> tuple[tuple[ProbeService, ...], ChangeRun]:
    """The services that are in both, by address and port, and a Change that names those that go and come."""
    old = {(service.address, service.port): service for service in before}
    new = {(service.address, service.port): service for service in after}
    gone = tuple(service.name for key, service in old.items() if key not in new)
    come = tuple(service.name for key, service in new.items() if key not in old)
    return tuple(service for key, service in old.items() if key in new), ChangeRun(
        gone=gone, new=come
    )


def unmanaged(before: Topology, after: Topology) -> tuple[str, ...]:
    """A message for each host that `after` no longer names: a deploy cannot take anything from it."""
    return tuple(
        f"{host} is in the first inventory only: what was deployed there stays; move it to the group `decommissioned`"
        for host in before.managed()
        if host not in after.hosts
    )


def judge(recording: Recording, began: float) -> tuple[ServiceSeen, ...]:
    """What each service looked like from `began` (the client's clock) on; earlier requests tell what is usual."""
    floor = floor_of(recording, began)
    return tuple(
        _seen(recording, index, began, slow_after(floor))
        for index, _service in enumerate(recording.services)
    )


def floor_of(recording: Recording, began: float) -> Baseline:
    """The noise floor: the requests before the deploy began."""
    return noise(request for request in recording.requests if request.start < began)


def _seen(recording: Recording, index: int, began: float, late: float) -> ServiceSeen:
    requests = [
        request
        for request in recording.requests
        if request.service == index and request.start >= began
    ]
    own = survivors((one for one in recording.connections if one.service == index), began)
    return ServiceSeen(
        recording.services[index].name,
        len(requests),
        failed(requests),
        slowest(requests),
        outage(requests, late),
        own.established,
        own.survived,
    )


def settled(requests: Iterable[Request], late: float, since: float, now: float) -> bool:
    """Whether no request between `since` and `now` was bad, and `QUIET_SECONDS` of good ones are behind us."""
    recent = [request for request in requests if request.start >= now - QUIET_SECONDS]
    return now - since >= QUIET_SECONDS and bool(recent) and not outage(recent, late)


def split_brains(adverts: Sequence[Advert], topology: Topology) -> tuple[str, ...]:
    """A message for each time in which two directors advertised one VRID: both held its addresses then."""
    names = {str(address): host for host, one in topology.hosts.items() for address in one.address}
    return tuple(
        f"split brain: {' and '.join(sorted(names.get(source, source) for source in rivalry.sources))} both advertised "
        f"VRID {rivalry.vrid} for {rivalry.end - rivalry.start:.1f} s"
        for frontend in topology.frontends
        for rivalry in split_brain_intervals(
            adverts, frontend.vrrp.virtual_router_id, frontend.vrrp.interval
        )
    )


def under_load(
    session: SshSession,
    services: tuple[ProbeService, ...],
    outline: ChangeRun,
    deploy: Callable[[], str],
    after: Topology,
) -> ChangeRun:
    """Call `deploy` while the prober asks `services` from the client behind `session`; returns what it saw.

    `deploy` deploys `after` and returns what it changed, in words.

    Raises:
        HostError: the prober cannot run there, or was lost; whatever `deploy` raises.
        LabError: the services were not served before the deploy began.
    """
    if not services:
        message = (
            "no service is in both inventories: there was nothing to ask while it was deployed"
        )
        return replace(outline, plan=deploy(), messages=(*outline.messages, message))
    with Prober.start(session, services, connections=CONNECTIONS, limit_seconds=LIMIT) as prober:
        _warm_up(prober)
        began = prober.to_client(time.monotonic())
        floor = floor_of(prober.recording(), began - 1)  # later ones may have no answer yet
        if not floor.requests or floor.failed:
            what = f"{floor.failed} of {floor.requests} requests failed before the change began"
            raise LabError(what, "hactl verify on the first inventory says why")
        plan = deploy()
        _await_rest(prober, slow_after(floor), last_step(after))
        seconds = prober.to_client(time.monotonic()) - began
        recording = prober.stop()
    return replace(
        outline,
        services=judge(recording, began),
        plan=plan,
        messages=(
            *outline.messages,
            *split_brains(recording.adverts, after),
            *prober.messages,
            *_doubts(recording),
        ),
        usual_ms=floor.slowest_ms,
        seconds=seconds,
    )


def last_step(topology: Topology) -> float:
    """Seconds after a deploy until the last director may take back what is its own (RFC 5798 §6.1, preempt_delay)."""
    return max(
        (each.crash_bound + (each.vrrp.preempt_delay or 0.0) for each in topology.frontends),
        default=0.0,
    )


def _warm_up(prober: Prober) -> None:
    """Until the long-lived connections are open, `FLOOR_SECONDS` at least and four times that at most."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 4 * FLOOR_SECONDS:
        time.sleep(0.2)
        if passed >= FLOOR_SECONDS and prober.established >= CONNECTIONS:
            return


def _await_rest(prober: Prober, late: float, waits: float) -> None:
    deployed = time.monotonic()
    while time.monotonic() - deployed < waits + SETTLE_TIMEOUT:
        time.sleep(0.5)
        prober.check()
        now = prober.to_client(time.monotonic())
        if time.monotonic() - deployed < waits:
            continue
        # Answers of the last moment are still under way, so they are not asked for yet.
        requests = [request for request in prober.recording().requests if request.start < now - 1]
        if settled(requests, late, prober.to_client(deployed) + waits, now - 1):
            return


def _doubts(recording: Recording) -> Iterable[str]:
    if recording.late > 0.1:
        yield f"the client was {recording.late * 1000:.0f} ms late with a request of its own: the machine is loaded"
    if abs(recording.wall_jump) > 0.1:
        yield f"the client's wall clock jumped by {recording.wall_jump:.1f} s; the figures do not depend on it"


def lines(change: ChangeRun) -> Iterator[Line]:
    """What clients saw, a line a service; then what went, what came and what else there is to say."""
    width = min(NAME_WIDTH, max((len(service.name) for service in change.services), default=0))
    if change.services:
        yield f"{'':<{width}} requests failed   slowest    outage    kept", DIM
    for service in change.services:
        slow = "-" if service.slowest_ms is None else f"{service.slowest_ms:.0f} ms"
        name = service.name if len(service.name) <= width else f"{service.name[: width - 1]}…"
        figures = f"{service.requests:>8} {service.failed_requests:>6} {slow:>9} {service.outage_ms:>6.0f} ms"
        kept = f"{service.survived}/{service.established}"
        yield f"{name:<{width}} {figures} {kept:>7}", RED if service.failed_requests else GREEN
    yield from ((f"gone: {name}", "") for name in change.gone)
    yield from ((f"new: {name}", "") for name in change.new)
    for message in change.messages:
        yield from wrapped(message, rest="  ")
