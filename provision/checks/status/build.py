"""Builds a Status from the result of a poll. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from provision.checks.status.model import (
    UNREACHABLE,
    DirectorStatus,
    FrontendStatus,
    GenerationStatus,
    HostStatus,
    ServerStatus,
    ServiceStatus,
    Status,
    VipStatus,
)
from provision.desired.ipvs_rules import IpvsService
from provision.desired.keepalived_variables import HANDOVER
from provision.formats import bounded_json, endpoint
from provision.formats.ipvsadm import weight
from provision.hosts.live.checks import judge
from provision.hosts.live.health import Health, health
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveHost, LiveServer, LiveService, VrrpInstance
from provision.hosts.live.table import entries
from provision.hosts.live.vips import holders
from provision.hosts.live.vrrp import UNIT
from provision.inventory.frontends import ResolvedFrontend, ResolvedService


@dataclass(frozen=True)
class HostLog:
    """The records of a host: last generation, hand-overs in force by front end, check results.

    `clock` is its wall clock at the inspection, in seconds since the epoch.
    """

    clock: float = 0.0
    generation: GenerationStatus | None = None
    handover: Mapping[str, int] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)


def parse_host_log(sections: Mapping[str, Sequence[str]]) -> HostLog:
    """Parse the sections that the agent `status` prints."""
    handovers = {}
    for line in sections.get("handover", ()):
        path, _, number = line.rpartition(":")
        folder, _, frontend = path.rpartition("/")
        if folder.endswith(HANDOVER) and number.strip().isdecimal():
            handovers[frontend] = int(number)
    return HostLog(
        float((sections.get("clock") or ["0"])[0]),
        _parse_generation(sections.get("generation", ())),
        handovers,
        health(sections.get("checks", ())),
    )


def _parse_generation(lines: Sequence[str]) -> GenerationStatus | None:
    if not lines or not lines[0].isdecimal():
        return None
    try:
        document = bounded_json.loads("\n".join(lines[1:]))
    except ValueError:
        document = {}
    fields = document if isinstance(document, dict) else {}
    texts = (str(fields.get(key, "")) for key in ("who", "when", "digest"))
    return GenerationStatus(int(lines[0]), *texts)


@dataclass(frozen=True)
class PollResult:
    """The result of a poll of all hosts.

    `host_logs` has the hosts that answered, `errors` the others. `drift` is the number of changes
    that a deploy would make, by host; hosts that were not compared are absent. `taken` is the time
    by the controller's clock, in seconds since the epoch.
    """

    snapshot: Snapshot
    host_logs: Mapping[str, HostLog]
    errors: Mapping[str, str]
    drift: Mapping[str, int]
    taken: float


def status(inventory: str, poll: PollResult, before: Status | None = None) -> Status:
    """Return the status of the site. Advert rates are counted from the earlier status `before`."""
    topology = poll.snapshot.topology
    frontends = tuple(_frontend(poll, frontend) for frontend in topology.frontends)
    hosts = tuple(_host(poll, host) for host in topology.managed())
    now = Status(inventory, poll.taken, frontends, hosts, tuple(judge(poll.snapshot)))
    return _with_rates(now, before) if before else now


def _host(poll: PollResult, host: str) -> HostStatus:
    if host not in poll.host_logs:
        return HostStatus(host, problem=poll.errors.get(host, "it was not inspected"))
    return HostStatus(host, poll.host_logs[host].generation, poll.drift.get(host))


def _frontend(poll: PollResult, frontend: ResolvedFrontend) -> FrontendStatus:
    lives = poll.snapshot.lives
    unseen = poll.snapshot.unseen(frontend)
    vips = tuple(
        VipStatus(vip, tuple((host, _mac(lives[host], vip)) for host in hosts), unseen)
        for vip, hosts in holders(frontend, lives).items()
    )
    directors = tuple(
        instance
        for director in frontend.directors
        for instance in _instances(poll, frontend, director.host)
    )
    services = tuple(
        entry for service in frontend.services for entry in _services(poll, frontend, service)
    )
    return FrontendStatus(frontend.name, vips, directors, services)


def _mac(live: LiveHost, vip: str) -> str:
    interfaces = (
        address.interface
        for address in live.addresses
        if address.address == vip and address.interface != "lo"
    )
    return next((live.macs[name] for name in interfaces if name in live.macs), "")


def _instances(poll: PollResult, frontend: ResolvedFrontend, host: str) -> Iterator[DirectorStatus]:
    """Yield the instances that a director must run for a front end.

    A director that was not inspected gets a single entry.
    """
    live = poll.snapshot.lives.get(host)
    if live is None:
        yield DirectorStatus(host, "", UNREACHABLE)
        return
    log = poll.host_logs[host]
    handover = log.handover.get(frontend.name, 0)
    sync = tuple(daemon.role for daemon in live.sync)
    for director, expected, instance in poll.snapshot.instances(frontend):
        if director.host != host:
            continue
        if instance is None:
            state = _state_without_answer(live)
            yield DirectorStatus(
                host, expected.name, state, handover=handover, sync=sync, drained=live.drained_by
            )
        else:
            yield _instance(live, instance, log.clock, handover, sync)


def _state_without_answer(live: LiveHost) -> str:
    unit = live.units.get(UNIT)
    if unit is None or unit.active not in ("active", "reloading", "activating"):
        return "stopped"
    return "absent" if live.vrrp else "silent"


def _instance(
    live: LiveHost, instance: VrrpInstance, clock: float, handover: int, sync: tuple[str, ...]
) -> DirectorStatus:
    return DirectorStatus(
        live.host,
        instance.name,
        instance.state,
        instance.priority,
        instance.base_priority,
        handover,
        max(0.0, clock - instance.since) if instance.since else 0.0,
        instance.adverts_sent,
        instance.adverts_received,
        instance.errors,
        None,
        sync,
        live.drained_by,
    )


def _services(
    poll: PollResult, frontend: ResolvedFrontend, service: ResolvedService
) -> Iterator[ServiceStatus]:
    """Yield the service's entries in its holder's table.

    Without a holder, the table of the best director that answers counts.
    """
    director = _table_owner(poll.snapshot, frontend)
    live = poll.snapshot.lives.get(director)
    log = poll.host_logs.get(director, HostLog())
    for entry, names in entries(frontend, service):
        live_service = next(
            (item for item in (live.services if live else ()) if item.selector == entry.selector),
            None,
        )
        yield ServiceStatus(
            entry.selector,
            live_service.scheduler if live_service else service.model.scheduler,
            director,
            live_service is not None if live else None,
            tuple(_servers(service, entry, names, live_service, live, log)) if live else (),
        )


def _table_owner(snapshot: Snapshot, frontend: ResolvedFrontend) -> str:
    """Return the first master, else the first holder, else the best director; empty if unseen."""
    vip_holders = [host for hosts in holders(frontend, snapshot.lives).values() for host in hosts]
    masters = [
        live.host
        for live, _, instance in snapshot.instances(frontend)
        if instance and instance.state == "MASTER"
    ]
    directors = [live.host for live in snapshot.directors(frontend)]
    candidates = (*masters, *vip_holders, *directors)
    return next((host for host in candidates if host in directors), "")


def _servers(
    service: ResolvedService,
    entry: IpvsService,
    names: Mapping[str, str],
    live_service: LiveService | None,
    live: LiveHost,
    log: HostLog,
) -> Iterator[ServerStatus]:
    servers = live_service.servers if live_service else ()
    live_servers = {server.place: server for server in servers}
    weights = {server.rule.split()[1]: weight(server.rule) for server in entry.servers}
    for place, name in names.items():
        check = _check_result(log, place, service.model.protocol)
        server = _server(name, place, live_servers.get(place), weights[place], check, log.clock)
        # A server that is drained and down is shown as down.
        if name in live.drained and server.weight == 0 and server.state != "down":
            server = _drained_by(server, live.drained[name], log.clock)
        yield server
    for place, live_server in live_servers.items():
        if place not in names:
            sorry = service.model.sorry_server
            is_sorry = sorry and str(sorry.address) == live_server.address
            yield ServerStatus(
                place,
                place,
                live_server.weight,
                None,
                live_server.active,
                live_server.inactive,
                "sorry" if is_sorry else "foreign",
            )


def _check_result(log: HostLog, place: str, protocol: str) -> Health | None:
    """Return the last check result of a server; None if there is none.

    Keepalived logs a server as `[192.168.227.103]:tcp:80` or `[192.168.227.103]`.
    """
    address, port = endpoint.split(place)
    return log.health.get(f"[{address}]:{protocol}:{port}") or log.health.get(f"[{address}]")


def _server(
    name: str,
    place: str,
    live: LiveServer | None,
    intended: int,
    check: Health | None,
    clock: float,
) -> ServerStatus:
    seconds = max(0.0, clock - check.at) if check else None
    reason = check.reason if check else ""
    failed = check is not None and not check.well
    if live is None:
        state = "down" if failed else "missing"
        return ServerStatus(
            name, place, None, intended, state=state, reason=reason, seconds=seconds
        )
    state = "up"
    if live.weight == 0:
        state = "down" if failed else "drained"
    return ServerStatus(
        name, place, live.weight, intended, live.active, live.inactive, state, reason, seconds
    )


def _drained_by(server: ServerStatus, drain: str, clock: float) -> ServerStatus:
    """Return the server as drained, with the operator as reason; `drain` is `WHO, WHEN`."""
    operator, _, time = drain.partition(", ")
    try:
        seconds = max(0.0, clock - datetime.fromisoformat(time).timestamp())
    except ValueError:
        return replace(server, state="drained", reason=f"by {operator}", seconds=None)
    return replace(server, state="drained", reason=f"by {operator}", seconds=seconds)


def _with_rates(now: Status, before: Status) -> Status:
    """Return the status with the rate of each director's adverts since the earlier status."""
    earlier = {
        (director.host, director.instance): director
        for frontend in before.frontends
        for director in frontend.directors
    }
    seconds = now.taken - before.taken
    frontends = []
    for frontend in now.frontends:
        directors = tuple(
            replace(
                director,
                rate=_rate(director, earlier.get((director.host, director.instance)), seconds),
            )
            for director in frontend.directors
        )
        frontends.append(replace(frontend, directors=directors))
    return replace(now, frontends=tuple(frontends))


def _rate(now: DirectorStatus, before: DirectorStatus | None, seconds: float) -> float | None:
    """Return the adverts per second: sent by a master, received by a backup.

    None without an earlier status in the same state, and after a restart of Keepalived.
    """
    if before is None or now.state != before.state or seconds <= 0:
        return None
    if now.state == "MASTER":
        count = now.adverts_sent - before.adverts_sent
    elif now.state == "BACKUP":
        count = now.adverts_received - before.adverts_received
    else:
        return None
    return count / seconds if count >= 0 else None
