"""A Status as text of at most 80 columns; what is wrong stands on top, in words. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
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

MOST_FINDINGS = 6

_STATES = {"MASTER": GREEN, "BACKUP": ""}
_SERVERS = {"up": "", "drained": YELLOW, "sorry": YELLOW, "foreign": YELLOW}


def status_lines(status: Status, news: Sequence[str] = ()) -> list[Line]:
    """The screen, each line with its colour (an SGR code, or empty); `news` is what changed lately, newest last."""
    lines = [(shortened(_headline(status)), BOLD), *_wrong(status), ("", "")]
    for frontend in status.frontends:
        lines += [*_frontend(frontend), ("", "")]
    lines += _hosts(status.hosts)
    if news:
        lines += [
            ("", ""),
            ("changed:", BOLD),
            *((shortened(f"  {text}"), YELLOW) for text in news),
        ]
    return lines


def clock(seconds: float) -> str:
    """A moment as a person writes it, in UTC: `2026-11-22 05:31:20`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def age(seconds: float) -> str:
    """How long in two figures or so: `4 s`, `12 m`, `3 h`, `9 d`."""
    for unit, size, up_to in (("s", 1, 100), ("m", 60, 100), ("h", 3600, 48)):
        if seconds < size * up_to:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def _headline(status: Status) -> str:
    coverage = status.coverage
    dark = "NOTHING IS KNOWN" if coverage.blind else "NOT ALL IS KNOWN"
    word = {"well": "all is well", "wrong": "SOMETHING IS WRONG", "unknown": dark}[status.verdict]
    return f"{status.inventory}  {clock(status.taken)} UTC  {coverage.counted()} answer  {word}"


def _wrong(status: Status) -> Iterator[Line]:
    for host in status.hosts:
        if host.problem:
            yield from _alarm(
                f"{host.host} could not be looked at: {_after(host.problem, host.host)}"
            )
    findings = sorted(status.findings, key=_weight_of)
    for finding in findings[:MOST_FINDINGS]:
        yield from _alarm(_words(finding))
    if len(findings) > MOST_FINDINGS:
        yield (
            f"! and {len(findings) - MOST_FINDINGS} more; `hactl doctor` looks for the causes",
            RED,
        )


def _weight_of(finding: LiveFinding) -> int:
    """What takes the service down first."""
    order = (
        "one_holder",
        "holder_is_master",
        "keepalived_runs",
        "no_fault",
        "best_is_master",
        "heard",
        "table",
    )
    return order.index(finding.check) if finding.check in order else len(order)


def _words(finding: LiveFinding) -> str:
    place = f"{finding.host}: " if finding.host else ""
    return place + finding.what + (f" ({finding.evidence})" if finding.evidence else "")


def _after(message: str, host: str) -> str:
    return message.splitlines()[0].removeprefix(f"{host}: ")


def _alarm(text: str) -> Iterator[Line]:
    """A problem in three lines at most."""
    return islice(wrapped(text, RED, first="! ", rest="  "), 3)


def _frontend(frontend: FrontendStatus) -> Iterator[Line]:
    for vip in frontend.vips:
        colour = RED if vip.held != "one" else YELLOW if vip.unseen else GREEN
        yield shortened(f"{frontend.name}  {vip.address}  {_held(vip)}"), colour
    yield from _directors(frontend.directors)
    for service in frontend.services:
        yield from _service(service)


def _held(vip: VipStatus) -> str:
    """Who holds a VIP, and which directors may hold it besides, since they were not seen."""
    dark = " and ".join(vip.unseen)
    if vip.held == "unknown":
        return f"holder unknown: {dark} not seen"
    held = " and ".join(f"{host} ({mac})" if mac else host for host, mac in vip.holders)
    return f"held by {held or 'NOBODY'}" + (f"; {dark} not seen" if dark else "")


def _directors(directors: Sequence[DirectorStatus]) -> Iterator[Line]:
    rows: list[tuple[str, ...]] = [("director", "state", "priority", "for", "adverts", "sync")]
    rows += [
        _director_row(one, several=len({each.host for each in directors}) < len(directors))
        for one in directors
    ]
    colours = [DIM, *(_STATES.get(one.state, RED) for one in directors)]
    yield from zip(_table(rows, ("<", "<", "<", ">", "<", "<")), colours, strict=True)


def _director_row(one: DirectorStatus, *, several: bool) -> tuple[str, ...]:
    name = f"{one.host} {one.instance}" if several and one.instance else one.host
    if not one.priority:
        return (
            name,
            one.state,
            f"+{one.handover} hand-over" if one.handover else "",
            "",
            "",
            " ".join(one.sync),
        )
    priority = f"{one.priority}"
    if one.drained:
        priority += " (drained)"
    elif one.handover:
        priority += f" (hand-over +{one.handover})"
    elif one.base_priority and one.priority != one.base_priority:
        priority += f" (base {one.base_priority})"
    return name, one.state, priority, age(one.seconds), _adverts(one), " ".join(one.sync) or "none"


def _adverts(one: DirectorStatus) -> str:
    word, count = (
        ("sent", one.adverts_sent) if one.state == "MASTER" else ("heard", one.adverts_received)
    )
    refused = f", {one.errors} refused" if one.errors else ""
    return (f"{count} {word}" if one.rate is None else f"{one.rate:.1f}/s {word}") + refused


def _service(service: ServiceStatus) -> Iterator[Line]:
    if not service.director:
        yield shortened(f"  {service.selector}  unknown: no director answers"), RED
        return
    absent = "" if service.present else "  NOT IN THE TABLE"
    yield (
        shortened(f"  {service.selector} {service.scheduler}, table of {service.director}{absent}"),
        RED if absent else "",
    )
    rows: list[tuple[str, ...]] = [("real server", "weight", "active", "idle", "check")]
    rows += [_server_row(server) for server in service.servers]
    colours = [DIM, *(_SERVERS.get(server.state, RED) for server in service.servers)]
    yield from zip(_table(rows, ("<", ">", ">", ">", "<")), colours, strict=True)


def _server_row(server: ServerStatus) -> tuple[str, ...]:
    name = server.name if server.name == server.address else f"{server.name} {server.address}"
    live = "-" if server.weight is None else str(server.weight)
    weight = live if server.intended is None else f"{live}/{server.intended}"
    since = f" {age(server.seconds)}" if server.seconds is not None else ""
    reason = f": {server.reason}" if server.reason else ""
    return name, weight, str(server.active), str(server.inactive), f"{server.state}{since}{reason}"


def _hosts(hosts: Sequence[HostStatus]) -> Iterator[Line]:
    rows: list[tuple[str, ...]] = [("host", "generation", "drift")]
    for host in hosts:
        rows.append((host.host, _generation(host), _drift(host)))
    colours = [DIM, *(RED if host.problem else YELLOW if host.drift else "" for host in hosts)]
    yield from zip(_table(rows, ("<", "<", "<"), indent=0), colours, strict=True)


def _drift(host: HostStatus) -> str:
    if host.drift is None:
        return "unknown" if host.problem else "not looked at"
    return f"{host.drift} changes" if host.drift else "none"


def _generation(host: HostStatus) -> str:
    if host.generation is None:
        return "unknown" if host.problem else "none"
    parts = (
        str(host.generation.number),
        host.generation.when,
        host.generation.who,
        host.generation.digest,
    )
    return "  ".join(part for part in parts if part)


def _table(rows: Iterable[tuple[str, ...]], sides: Sequence[str], indent: int = 2) -> Iterator[str]:
    """Rows in columns, each as wide as it must be; the last one is cut where it does not fit."""
    rows = list(rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(sides))]
    for row in rows:
        cells = (
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        )
        yield shortened(" " * indent + "  ".join(cells).rstrip())


def changes(before: Status, now: Status) -> list[str]:
    """What is another than it was, in words: holders, states, weights, hosts that came and went."""
    was, is_now = dict(_facts(before)), dict(_facts(now))
    moved = [
        (what, was[what], value)
        for what, value in is_now.items()
        if what in was and was[what] != value
    ]
    gone = [
        (what, value, "gone")
        for what, value in was.items()
        if what not in is_now and not what.startswith("host ")
    ]
    return [f"{clock(now.taken)[11:]} {what}: {old} → {new}" for what, old, new in (*moved, *gone)]


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    for frontend in status.frontends:
        for vip in frontend.vips:
            yield vip.address, " and ".join(host for host, _ in vip.holders) or vip.held
        for one in frontend.directors:
            yield f"{one.host} {frontend.name}", one.state
            priority = "unknown" if one.state == UNREACHABLE else str(one.priority)
            yield f"{one.host} {frontend.name} priority", priority
        for service in frontend.services:
            for server in service.servers:
                weight = "" if server.weight is None else f" (weight {server.weight})"
                yield f"{server.name} in {service.selector}", f"{server.state}{weight}"
    for host in status.hosts:
        yield f"host {host.host}", "does not answer" if host.problem else "answers"
