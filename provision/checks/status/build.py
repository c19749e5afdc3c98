"""From what was looked at to a Status. Pure."""

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
    """What one host remembers: its newest generation, hand-overs in force by front end, the checks' last words.

    `clock` is its wall clock at the look, in seconds since the epoch.
    """

    clock: float = 0.0
    generation: GenerationStatus | None = None
    handover: Mapping[str, int] = field(default_factory=dict)
    health: Mapping[str, Health] = field(default_factory=dict)


def recalled(sections: Mapping[str, Sequence[str]]) -> HostLog:
    """The sections of the agent `status`, read."""
    raised = {}
    for line in sections.get("handover", ()):
        path, _, number = line.rpartition(":")
        if path.rpartition("/")[0].endswith(HANDOVER) and number.strip().isdecimal():
            raised[path.rpartition("/")[2]] = int(number)
    clock = float((sections.get("clock") or ["0"])[0])
    return HostLog(
        clock,
        _generation(sections.get("generation", ())),
        raised,
        health(sections.get("checks", ())),
    )


def _generation(lines: Sequence[str]) -> GenerationStatus | None:
    if not lines or not lines[0].isdecimal():
        return None
    try:
        about = bounded_json.loads("\n".join(lines[1:]))
    except ValueError:
        about = {}
    words = about if isinstance(about, dict) else {}
    return GenerationStatus(
        int(lines[0]), *(str(words.get(key, "")) for key in ("who", "when", "digest"))
    )


@dataclass(frozen=True)
class PollResult:
    """One round of looks: hosts that answered, the errors of those that did not, and changes a deploy would make.

    `drift` lacks hosts whose plan was not made.
    """

    seen: Snapshot
    recalls: Mapping[str, HostLog]
    errors: Mapping[str, str]
    drift: Mapping[str, int]
    taken: float


def status(inventory: str, looked: PollResult, before: Status | None = None) -> Status:
    """The site as it was looked at; `before` is an earlier one, from which advert rates are counted."""
    frontends = tuple(_frontend(looked, each) for each in looked.seen.topology.frontends)
    hosts = tuple(_host(looked, host) for host in looked.seen.topology.managed())
    now = Status(inventory, looked.taken, frontends, hosts, tuple(judge(looked.seen)))
    return _rated(now, before) if before else now


def _host(looked: PollResult, host: str) -> HostStatus:
    if host not in looked.recalls:
        return HostStatus(host, problem=looked.errors.get(host, "it was not looked at"))
    return HostStatus(host, looked.recalls[host].generation, looked.drift.get(host))


def _frontend(looked: PollResult, frontend: ResolvedFrontend) -> FrontendStatus:
    held = holders(frontend, looked.seen.lives)
    unseen = looked.seen.unseen(frontend)
    vips = tuple(
        VipStatus(vip, tuple((host, _mac(looked.seen.lives[host], vip)) for host in hosts), unseen)
        for vip, hosts in held.items()
    )
    directors = tuple(
        one for each in frontend.directors for one in _director(looked, frontend, each.host)
    )
    services = tuple(
        one for service in frontend.services for one in _services(looked, frontend, service)
    )
    return FrontendStatus(frontend.name, vips, directors, services)


def _mac(live: LiveHost, vip: str) -> str:
    names = (
        own.interface for own in live.addresses if own.address == vip and own.interface != "lo"
    )
    return next((live.macs[name] for name in names if name in live.macs), "")


def _director(
    looked: PollResult, frontend: ResolvedFrontend, host: str
) -> Iterator[DirectorStatus]:
    """Each instance that a director must run for a front end; one line where nothing is known of it."""
    live = looked.seen.lives.get(host)
    if live is None:
        yield DirectorStatus(host, "", UNREACHABLE)
        return
    raised = looked.recalls[host].handover.get(frontend.name, 0)
    sync = tuple(daemon.role for daemon in live.sync)
    for each, wanted, own in looked.seen.instances(frontend):
        if each.host != host:
            continue
        if own is None:
            yield DirectorStatus(
                host,
                wanted.name,
                _without_answer(live),
                handover=raised,
                sync=sync,
                drained=live.drained_by,
            )
        else:
            yield _instance(looked, live, own, raised, sync)


def _without_answer(live: LiveHost) -> str:
    unit = live.units.get(UNIT)
    if unit is None or unit.active not in ("active", "reloading", "activating"):
        return "stopped"
    return "absent" if live.vrrp else "silent"


def _instance(
    looked: PollResult, live: LiveHost, own: VrrpInstance, raised: int, sync: tuple[str, ...]
) -> DirectorStatus:
    since = max(0.0, looked.recalls[live.host].clock - own.since) if own.since else 0.0
    return DirectorStatus(
        live.host,
        own.name,
        own.state,
        own.priority,
        own.base_priority,
        raised,
        since,
        own.adverts_sent,
        own.adverts_received,
        own.errors,
        None,
        sync,
        live.drained_by,
    )


def _services(
    looked: PollResult, frontend: ResolvedFrontend, service: ResolvedService
) -> Iterator[ServiceStatus]:
    """The service's entries in its holder's table; in that of the best director that answers where nobody holds it."""
    director = _table_of(looked.seen, frontend)
    for entry, names in entries(frontend, service):
        live = looked.seen.lives.get(director)
        found = (
            next((one for one in live.services if one.selector == entry.selector), None)
            if live
            else None
        )
        recall = looked.recalls.get(director, HostLog())
        drained = live.drained if live else {}
        servers = tuple(_servers(service, entry, names, found, recall, drained)) if director else ()
        scheduler = found.scheduler if found else service.model.scheduler
        yield ServiceStatus(
            entry.selector, scheduler, director, found is not None if live else None, servers
        )


def _table_of(seen: Snapshot, frontend: ResolvedFrontend) -> str:
    held = [host for hosts in holders(frontend, seen.lives).values() for host in hosts]
    masters = [
        live.host for live, _, own in seen.instances(frontend) if own and own.state == "MASTER"
    ]
    directors = [live.host for live in seen.directors(frontend)]
    return next((host for host in (*masters, *held, *directors) if host in directors), "")


def _servers(
    service: ResolvedService,
    entry: IpvsService,
    names: Mapping[str, str],
    found: LiveService | None,
    recall: HostLog,
    drained: Mapping[str, str],
) -> Iterator[ServerStatus]:
    live = {server.place: server for server in (found.servers if found else ())}
    weights = {server.rule.split()[1]: weight(server.rule) for server in entry.servers}
    for place, name in names.items():
        one = _server(service, name, place, live.get(place), weights[place], recall)
        yield _as_drained(one, drained[name], recall.clock) if _drained(one, drained) else one
    for place, server in live.items():
        if place not in names:
            sorry = service.model.sorry_server
            kind = "sorry" if sorry and str(sorry.address) == server.address else "foreign"
            yield ServerStatus(
                place, place, server.weight, None, server.active, server.inactive, kind
            )


def _as_drained(server: ServerStatus, words: str, clock: float) -> ServerStatus:
    """The same with who drained it as the reason; `words` are `WHO, WHEN`."""
    who, _, when = words.partition(", ")
    try:
        began: float | None = datetime.fromisoformat(when).timestamp()
    except ValueError:
        began = None
    seconds = None if began is None else max(0.0, clock - began)
    return replace(server, state="drained", reason=f"by {who}", seconds=seconds)


def _drained(server: ServerStatus, drained: Mapping[str, str]) -> bool:
    """Whether a server gets nothing because somebody drained it; one that is down as well is shown as down."""
    return server.name in drained and server.weight == 0 and server.state != "down"


def _server(
    service: ResolvedService,
    name: str,
    place: str,
    live: LiveServer | None,
    intended: int,
    recall: HostLog,
) -> ServerStatus:
    said = recall.health.get(_as_logged(place, service.model.protocol)) or recall.health.get(
        _as_logged(place, "")
    )
    seconds = max(0.0, recall.clock - said.at) if said else None
    reason = said.reason if said else ""
    if live is None:
        state = "down" if said and not said.well else "missing"
        return ServerStatus(
            name, place, None, intended, state=state, reason=reason, seconds=seconds
        )
    state = "up"
    if live.weight == 0:
        state = "down" if said and not said.well else "drained"
    return ServerStatus(
        name, place, live.weight, intended, live.active, live.inactive, state, reason, seconds
    )


def _as_logged(place: str, protocol: str) -> str:
    """A server as Keepalived writes it in its log: `[192.168.227.103]:tcp:80`; `[fd00::3]:tcp:80`."""
    address, port = endpoint.split(place)
    return f"[{address}]" + (f":{protocol}:{port}" if protocol else "")


def _rated(now: Status, before: Status) -> Status:
    """The same with the rate of each director's adverts: those sent of a master, those heard of a backup."""
    earlier = {
        (one.host, one.instance): one for frontend in before.frontends for one in frontend.directors
    }
    passed = now.taken - before.taken
    frontends = []
    for frontend in now.frontends:
        directors = (
            replace(one, rate=_rate(one, earlier.get((one.host, one.instance)), passed))
            for one in frontend.directors
        )
        frontends.append(replace(frontend, directors=tuple(directors)))
    return replace(now, frontends=tuple(frontends))


def _rate(now: DirectorStatus, before: DirectorStatus | None, passed: float) -> float | None:
    if (
        before is None
        or now.state != before.state
        or now.state not in ("MASTER", "BACKUP")
        or passed <= 0
    ):
        return None
    count = "adverts_sent" if now.state == "MASTER" else "adverts_received"
    grown: int = getattr(now, count) - getattr(before, count)
    return grown / passed if grown >= 0 else None
