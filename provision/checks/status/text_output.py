"""A Status as text of at most 80 columns, with the problems on top. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

from provision.checks.status.model import (
    UNREACHABLE,
    DirectorStatus,
    FrontendStatus,
    HostStatus,
    ServerStatus,
    ServiceStatus,
    Status,
    VipStatus,
)
from provision.core.terminal import BOLD, DIM, GREEN, RED, YELLOW, Line, shortened, wrapped
from provision.hosts.live.state import LiveFinding

MAX_FINDINGS = 6
MAX_FINDING_LINES = 3

_STATE_COLOURS = {"MASTER": GREEN, "BACKUP": ""}
_SERVER_COLOURS = {"up": "", "drained": YELLOW, "sorry": YELLOW, "foreign": YELLOW}

_CHECK_ORDER = (
    "one_holder",
    "holder_is_master",
    "keepalived_runs",
    "no_fault",
    "best_is_master",
    "heard",
    "table",
)
"""Checks by urgency: a problem that takes the service down comes first."""


def status_lines(status: Status, events: Sequence[str] = ()) -> list[Line]:
    """Return the lines of the screen, each with its colour (an SGR code, or empty).

    `events` are the latest changes, the newest last.
    """
    lines = [(shortened(_headline(status)), BOLD), *_problem_lines(status), ("", "")]
    for frontend in status.frontends:
        lines += [*_frontend_lines(frontend), ("", "")]
    lines += _host_lines(status.hosts)
    if events:
        lines += [("", ""), ("changed:", BOLD)]
        lines += [(shortened(f"  {event}"), YELLOW) for event in events]
    return lines


def clock(seconds: float) -> str:
    """Return a time in UTC: `2026-11-22 05:31:20`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def age(seconds: float) -> str:
    """Return a duration in about two digits: `4 s`, `12 m`, `3 h`, `9 d`."""
    for unit, size, limit in (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48)):
        if seconds < size * limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _headline(status: Status) -> str:
    coverage = status.coverage
    unknown = "NOTHING IS KNOWN" if coverage.blind else "NOT ALL IS KNOWN"
    verdict = {"well": "all is well", "wrong": "SOMETHING IS WRONG", "unknown": unknown}
    return (
        f"{status.inventory}  {clock(status.taken)} UTC  {coverage.counted()} answer  "
        f"{verdict[status.verdict]}"
    )


def _problem_lines(status: Status) -> Iterator[Line]:
    for host in status.hosts:
        if host.problem:
            reason = host.problem.splitlines()[0].removeprefix(f"{host.host}: ")
            yield from _problem(f"{host.host} could not be inspected: {reason}")
    findings = sorted(status.findings, key=_urgency)
    for finding in findings[:MAX_FINDINGS]:
        yield from _problem(_finding_text(finding))
    if len(findings) > MAX_FINDINGS:
        hidden = len(findings) - MAX_FINDINGS
        yield f"! and {hidden} more; `hactl doctor` looks for the causes", RED


def _urgency(finding: LiveFinding) -> int:
    check = finding.check
    return _CHECK_ORDER.index(check) if check in _CHECK_ORDER else len(_CHECK_ORDER)


def _finding_text(finding: LiveFinding) -> str:
    host = f"{finding.host}: " if finding.host else ""
    return host + finding.what + (f" ({finding.evidence})" if finding.evidence else "")


def _problem(text: str) -> Iterator[Line]:
    return islice(wrapped(text, RED, first="! ", rest="  "), MAX_FINDING_LINES)


def _frontend_lines(frontend: FrontendStatus) -> Iterator[Line]:
    for vip in frontend.vips:
        colour = RED if vip.held != "one" else YELLOW if vip.unseen else GREEN
        yield shortened(f"{frontend.name}  {vip.address}  {_holder_text(vip)}"), colour
    yield from _director_lines(frontend.directors)
    for service in frontend.services:
        yield from _service_lines(service)


def _holder_text(vip: VipStatus) -> str:
    """Return the holders of a VIP, and the unseen directors that may hold it, too."""
    unseen = " and ".join(vip.unseen)
    if vip.held == "unknown":
        return f"holder unknown: {unseen} not seen"
    holders = " and ".join(f"{host} ({mac})" if mac else host for host, mac in vip.holders)
    return f"held by {holders or 'NOBODY'}" + (f"; {unseen} not seen" if unseen else "")


def _director_lines(directors: Sequence[DirectorStatus]) -> Iterator[Line]:
    several_instances = len({director.host for director in directors}) < len(directors)
    rows: list[tuple[str, ...]] = [("director", "state", "priority", "for", "adverts", "sync")]
    rows += [_director_row(director, several_instances) for director in directors]
    colours = [DIM, *(_STATE_COLOURS.get(director.state, RED) for director in directors)]
    yield from zip(_table(rows, ("<", "<", "<", ">", "<", "<")), colours, strict=True)


def _director_row(director: DirectorStatus, several_instances: bool) -> tuple[str, ...]:
    name, state = director.host, director.state
    if several_instances and director.instance:
        name += f" {director.instance}"
    sync = " ".join(director.sync)
    if not director.priority:
        handover = f"+{director.handover} hand-over" if director.handover else ""
        return name, state, handover, "", "", sync
    priority = f"{director.priority}"
    if director.drained:
        priority += " (drained)"
    elif director.handover:
        priority += f" (hand-over +{director.handover})"
    elif director.base_priority and director.priority != director.base_priority:
        priority += f" (base {director.base_priority})"
    return name, state, priority, age(director.seconds), _adverts(director), sync or "none"


def _adverts(director: DirectorStatus) -> str:
    sends = director.state == "MASTER"
    verb = "sent" if sends else "heard"
    count = director.adverts_sent if sends else director.adverts_received
    refused = f", {director.errors} refused" if director.errors else ""
    figure = f"{count}" if director.rate is None else f"{director.rate:.1f}/s"
    return f"{figure} {verb}{refused}"


def _service_lines(service: ServiceStatus) -> Iterator[Line]:
    if not service.director:
        yield shortened(f"  {service.selector}  unknown: no director answers"), RED
        return
    absent = "" if service.present else "  NOT IN THE TABLE"
    title = f"  {service.selector} {service.scheduler}, table of {service.director}{absent}"
    yield shortened(title), RED if absent else ""
    rows: list[tuple[str, ...]] = [("real server", "weight", "active", "idle", "check")]
    rows += [_server_row(server) for server in service.servers]
    colours = [DIM, *(_SERVER_COLOURS.get(server.state, RED) for server in service.servers)]
    yield from zip(_table(rows, ("<", ">", ">", ">", "<")), colours, strict=True)


def _server_row(server: ServerStatus) -> tuple[str, ...]:
    name = server.name if server.name == server.address else f"{server.name} {server.address}"
    live = "-" if server.weight is None else str(server.weight)
    weight = live if server.intended is None else f"{live}/{server.intended}"
    duration = f" {age(server.seconds)}" if server.seconds is not None else ""
    reason = f": {server.reason}" if server.reason else ""
    check = f"{server.state}{duration}{reason}"
    return name, weight, str(server.active), str(server.inactive), check


def _host_lines(hosts: Sequence[HostStatus]) -> Iterator[Line]:
    rows: list[tuple[str, ...]] = [("host", "generation", "drift")]
    rows += [(host.host, _generation(host), _drift(host)) for host in hosts]
    colours = [DIM, *(RED if host.problem else YELLOW if host.drift else "" for host in hosts)]
    yield from zip(_table(rows, ("<", "<", "<"), indent=0), colours, strict=True)


def _drift(host: HostStatus) -> str:
    if host.drift is None:
        return "unknown" if host.problem else "not compared"
    return f"{host.drift} changes" if host.drift else "none"


def _generation(host: HostStatus) -> str:
    generation = host.generation
    if generation is None:
        return "unknown" if host.problem else "none"
    fields = (str(generation.number), generation.when, generation.who, generation.digest)
    return "  ".join(field for field in fields if field)


def _table(
    rows: Sequence[tuple[str, ...]], alignments: Sequence[str], indent: int = 2
) -> Iterator[str]:
    """Yield rows in columns as wide as necessary; lines that are too long are shortened."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(alignments))]
    for row in rows:
        cells = (
            f"{cell:{alignment}{width}}"
            for cell, alignment, width in zip(row, alignments, widths, strict=True)
        )
        yield shortened(" " * indent + "  ".join(cells).rstrip())


def changes(before: Status, now: Status) -> list[str]:
    """Return the changes between two statuses: holders, states, weights and hosts."""
    old, new = dict(_facts(before)), dict(_facts(now))
    differences = [
        (fact, old[fact], value)
        for fact, value in new.items()
        if fact in old and old[fact] != value
    ]
    differences += [
        (fact, value, "gone")
        for fact, value in old.items()
        if fact not in new and not fact.startswith("host ")
    ]
    time_of_day = clock(now.taken)[11:]
    return [f"{time_of_day} {fact}: {was} → {value}" for fact, was, value in differences]


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    for frontend in status.frontends:
        for vip in frontend.vips:
            yield vip.address, " and ".join(host for host, _ in vip.holders) or vip.held
        for director in frontend.directors:
            name = f"{director.host} {frontend.name}"
            yield name, director.state
            is_unknown = director.state == UNREACHABLE
            yield f"{name} priority", "unknown" if is_unknown else str(director.priority)
        for service in frontend.services:
            for server in service.servers:
                weight = "" if server.weight is None else f" (weight {server.weight})"
                yield f"{server.name} in {service.selector}", f"{server.state}{weight}"
    for host in status.hosts:
        yield f"host {host.host}", "does not answer" if host.problem else "answers"
