"""Measure what clients see while another inventory is deployed over the first.

The prober sends requests to every service that both inventories have, from before the deploy until
the front end has settled.
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

CONNECTIONS = 200
"""Long-lived connections, over all services."""

BASELINE_SECONDS = 3.0
"""Seconds of requests before the deploy begins: the baseline of response times."""

QUIET_SECONDS = 3.0
"""Seconds without a failed or slow request after which the front end has settled."""

SETTLE_TIMEOUT = 60.0
"""Seconds after the front end's own timers at which the measurement ends in any case."""

PROBER_TIMEOUT = 900.0
"""Seconds after which the prober ends by itself, in case the controller has died."""

NAME_WIDTH = 36
"""Columns for a service's name, so that a line fits into 80."""


@dataclass(frozen=True)
class ServiceFigures:
    """The figures of one service; `outage_ms` is the longest run of failed or slow requests.

    `established` long-lived connections were open when the deploy began; `survived` of them stayed
    open.
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
    """A change as clients saw it: the services of both inventories, removed services, new services.

    `plan` has the counts of the deploy. `usual_ms` is the slowest good answer before it began;
    `seconds` is the time until the front end had settled.
    """

    services: tuple[ServiceFigures, ...] = ()
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    plan: str = ""
    messages: tuple[str, ...] = ()
    usual_ms: float | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no request to a service of both inventories failed."""
        return not any(service.failed_requests for service in self.services)

    def summary(self) -> str:
        """The plan and the failed requests, in one line."""
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
    """The services in both inventories, and a run that names removed and new services."""
    old = {(service.address, service.port): service for service in before}
    new = {(service.address, service.port): service for service in after}
    gone = tuple(service.name for key, service in old.items() if key not in new)
    added = tuple(service.name for key, service in new.items() if key not in old)
    kept = tuple(service for key, service in old.items() if key in new)
    return kept, ChangeRun(gone=gone, new=added)


def unmanaged(before: Topology, after: Topology) -> tuple[str, ...]:
    """A message for each host that `after` does not have: a deploy removes nothing from it."""
    return tuple(
        f"{host} is in the first inventory only, so a deploy removes nothing from it; "
        "move it to the group `decommissioned`"
        for host in before.managed()
        if host not in after.hosts
    )


def judge(recording: Recording, began: float) -> tuple[ServiceFigures, ...]:
    """The figures of each service from `began` (client clock); what was before is the baseline."""
    slow_ms = slow_after(baseline_of(recording, began))
    return tuple(
        _service_figures(recording, index, began, slow_ms)
        for index, _service in enumerate(recording.services)
    )


def baseline_of(recording: Recording, began: float) -> Baseline:
    """The figures of the requests before the deploy began."""
    return noise(request for request in recording.requests if request.start < began)


def _service_figures(
    recording: Recording, index: int, began: float, slow_ms: float
) -> ServiceFigures:
    requests = [
        request
        for request in recording.requests
        if request.service == index and request.start >= began
    ]
    connections = (
        connection for connection in recording.connections if connection.service == index
    )
    kept = survivors(connections, began)
    return ServiceFigures(
        recording.services[index].name,
        len(requests),
        failed(requests),
        slowest(requests),
        outage(requests, slow_ms),
        kept.established,
        kept.survived,
    )


def settled(requests: Iterable[Request], slow_ms: float, since: float, now: float) -> bool:
    """Whether the last `QUIET_SECONDS` had good requests only and began after `since`."""
    recent = [request for request in requests if request.start >= now - QUIET_SECONDS]
    return now - since >= QUIET_SECONDS and bool(recent) and not outage(recent, slow_ms)


def split_brains(adverts: Sequence[Advert], topology: Topology) -> tuple[str, ...]:
    """A message for each split brain: two directors advertised one VRID and held its VIPs."""
    names = {
        str(address): host
        for host, settings in topology.hosts.items()
        for address in settings.address
    }
    messages = []
    for frontend in topology.frontends:
        vrrp = frontend.vrrp
        for split in split_brain_intervals(adverts, vrrp.virtual_router_id, vrrp.interval):
            hosts = " and ".join(sorted(names.get(source, source) for source in split.sources))
            seconds = split.end - split.start
            messages.append(
                f"split brain: {hosts} both advertised VRID {split.vrid} for {seconds:.1f} s"
            )
    return tuple(messages)


def under_load(
    session: SshSession,
    services: tuple[ProbeService, ...],
    outline: ChangeRun,
    deploy: Callable[[], str],
    after: Topology,
) -> ChangeRun:
    """Call `deploy` while the prober sends requests to `services` from the client of `session`.

    `deploy` deploys the inventory of `after` and returns the counts of its plan.

    Raises:
        HostError: the prober cannot run on the client, or was lost; or an error of `deploy`.
        LabError: the services did not answer before the deploy began.
    """
    if not services:
        message = "no service is in both inventories: no requests were sent while it was deployed"
        return replace(outline, plan=deploy(), messages=(*outline.messages, message))
    with Prober.start(
        session, services, connections=CONNECTIONS, limit_seconds=PROBER_TIMEOUT
    ) as prober:
        _warm_up(prober)
        began = prober.to_client(time.monotonic())
        baseline = _usable_baseline(prober, began)
        plan = deploy()
        _wait_until_settled(prober, slow_after(baseline), last_step(after))
        seconds = prober.to_client(time.monotonic()) - began
        recording = prober.stop()
    notes = (*split_brains(recording.adverts, after), *prober.messages)
    return replace(
        outline,
        services=judge(recording, began),
        plan=plan,
        messages=(*outline.messages, *notes, *_measurement_problems(recording)),
        usual_ms=baseline.slowest_ms,
        seconds=seconds,
    )


def _usable_baseline(prober: Prober, began: float) -> Baseline:
    """The figures before the change. Raises LabError where a request failed already."""
    # Requests of the last second may have no answer yet.
    baseline = baseline_of(prober.recording(), began - 1)
    if baseline.requests and not baseline.failed:
        return baseline
    failures = f"{baseline.failed} of {baseline.requests} requests failed"
    raise LabError(
        f"{failures} before the change began", "hactl verify on the first inventory says why"
    )


def last_step(topology: Topology) -> float:
    """Seconds after a deploy until the last director may preempt (RFC 5798 §6.1, preempt_delay)."""
    return max(
        (
            frontend.crash_bound + (frontend.vrrp.preempt_delay or 0.0)
            for frontend in topology.frontends
        ),
        default=0.0,
    )


def _warm_up(prober: Prober) -> None:
    """Wait for the long-lived connections: at least `BASELINE_SECONDS`, at most four times that."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < 4 * BASELINE_SECONDS:
        time.sleep(0.2)
        if passed >= BASELINE_SECONDS and prober.established >= CONNECTIONS:
            return


def _wait_until_settled(prober: Prober, slow_ms: float, timers: float) -> None:
    """Wait `timers` seconds for the directors, then for good requests, `SETTLE_TIMEOUT` at most."""
    deployed = time.monotonic()
    while time.monotonic() - deployed < timers + SETTLE_TIMEOUT:
        time.sleep(0.5)
        prober.check()
        now = prober.to_client(time.monotonic())
        if time.monotonic() - deployed < timers:
            continue
        # Requests of the last second may have no answer yet.
        requests = [request for request in prober.recording().requests if request.start < now - 1]
        if settled(requests, slow_ms, prober.to_client(deployed) + timers, now - 1):
            return


def _measurement_problems(recording: Recording) -> Iterable[str]:
    """Messages about a loaded client, and about a jump of its clock."""
    if recording.late > 0.1:
        late_ms = recording.late * 1000
        yield f"the client sent a request {late_ms:.0f} ms late: the machine is loaded"
    if abs(recording.wall_jump) > 0.1:
        jump = f"the client's wall clock jumped by {recording.wall_jump:.1f} s"
        yield f"{jump}; the figures do not depend on it"


def lines(change: ChangeRun) -> Iterator[Line]:
    """A line for each service, then the removed services, the new services and the messages."""
    width = min(NAME_WIDTH, max((len(service.name) for service in change.services), default=0))
    if change.services:
        yield f"{'':<{width}} requests failed   slowest    outage    kept", DIM
    for service in change.services:
        slowest_ms = "-" if service.slowest_ms is None else f"{service.slowest_ms:.0f} ms"
        name = service.name if len(service.name) <= width else f"{service.name[: width - 1]}…"
        requests = f"{service.requests:>8} {service.failed_requests:>6}"
        figures = f"{requests} {slowest_ms:>9} {service.outage_ms:>6.0f} ms"
        kept = f"{service.survived}/{service.established}"
        yield f"{name:<{width}} {figures} {kept:>7}", RED if service.failed_requests else GREEN
    yield from ((f"gone: {name}", "") for name in change.gone)
    yield from ((f"new: {name}", "") for name in change.new)
    for message in change.messages:
        yield from wrapped(message, rest="  ")
