"""Checks of the kernel's table of virtual services and of the connection-sync daemons."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator, Mapping

from provision.desired.ipvs_rules import IpvsService, ipvs_services, virtual
from provision.desired.items import VirtualService
from provision.formats.ipvsadm import saved_table, weight, with_weight
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding
from provision.inventory.frontends import ResolvedFrontend, ResolvedService


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between the live and the intended table: of a service, or of a real server.

    `place` is the real server's, empty for the options of the service. `live` is empty for a server
    that is missing, `wanted` for a server that does not belong there. `by_check` means that a
    health check may be the reason.
    """

    host: str
    place: str
    live: str
    wanted: str
    by_check: bool = False


def differences(
    intended: VirtualService, live: tuple[str, Mapping[str, str]], drained: Container[str]
) -> Iterator[Difference]:
    """Yield the differences of one service. Drained servers must have weight 0."""
    options, servers = live
    if options != intended.options:
        yield Difference("", "", options, intended.options)
    intended_servers = [text.split(" ", 2) for text in intended.servers]
    for host, place, intended_rule in intended_servers:
        expected = with_weight(intended_rule, 0) if host in drained else intended_rule
        actual = servers.get(place, "")
        if actual != expected:
            by_check = not actual or _set_by_check(intended, actual, expected)
            yield Difference(host, place, actual, expected, by_check)
    intended_places = {place for _, place, _ in intended_servers}
    yield from (
        Difference("", place, actual, "")
        for place, actual in servers.items()
        if place not in intended_places
    )


def _set_by_check(intended: VirtualService, live: str, expected: str) -> bool:
    """Whether the rules differ only in a weight that a health check may have set."""
    if with_weight(live, 0) != with_weight(expected, 0):
        return False
    return intended.weights == "any" or (intended.weights == "zero" and weight(live) == 0)


def table(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The live table has the intended services, with real servers, weights and forwarding methods.

    A drained server has weight 0. Services that hactl does not manage are no problem;
    `foreign_services` returns them.
    """
    live = saved_table(snapshot.lives[host].ipvs_saved)
    for intended in map(virtual, snapshot.expected(host).services):
        if intended.name in live:
            for difference in differences(
                intended, live[intended.name], snapshot.lives[host].drained
            ):
                yield from _finding(host, intended, difference)
        else:
            yield LiveFinding(
                "table",
                host,
                f"the service {intended.name} is not in the table",
                f"the table has {', '.join(live) or 'nothing at all'}",
                "a reload does not repair a table that was emptied manually: "
                "`systemctl restart keepalived` here",
            )


def entries(
    frontend: ResolvedFrontend, service: ResolvedService
) -> Iterator[tuple[IpvsService, dict[str, str]]]:
    """Yield the table entries of a service, with the host names by the real servers' places."""
    single = dataclasses.replace(frontend, services=(service,))
    for entry in ipvs_services((single,)):
        places = (server.place for server in entry.servers)
        yield (
            entry,
            dict(zip(places, (server.host for server in service.real_servers), strict=True)),
        )


def drained_alike(snapshot: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """A drained server is drained on every director: else it gets connections after a failover."""
    lives = list(snapshot.directors(frontend))
    for server in frontend.real_servers:
        drained_on = [live.host for live in lives if server in live.drained]
        for live in lives:
            if drained_on and live.host not in drained_on:
                yield LiveFinding(
                    "drained_alike",
                    live.host,
                    f"{server} is drained on {', '.join(drained_on)} and not here",
                    "a failover would send it connections again",
                    f"`hactl drain {server}` again, or `hactl undrain`",
                )


def _finding(host: str, intended: VirtualService, difference: Difference) -> Iterator[LiveFinding]:
    """Yield the finding of a difference; none for a weight that a health check may set freely."""
    name = intended.name
    if not difference.place:
        yield LiveFinding(
            "table",
            host,
            f"{name} has other options",
            f"`{difference.live}` in place of `{difference.wanted}`",
            "deploy",
        )
    elif not difference.wanted and difference.place == intended.sorry:
        if weight(difference.live) != 0:
            yield LiveFinding(
                "table",
                host,
                f"the sorry server answers for {name}",
                "too few real servers are healthy (`quorum`)",
                "look at the real servers; `journalctl -u keepalived` has the checks' reasons",
            )
    elif not difference.wanted:
        yield LiveFinding(
            "table",
            host,
            f"{difference.place} is in {name} and not in the inventory",
            difference.live,
            f"`ipvsadm -d {name} -r {difference.place}` removes it",
        )
    elif not difference.live:
        yield LiveFinding(
            "table",
            host,
            f"{difference.host} is missing from {name}",
            f"{difference.place} is not in the table: its check fails, or somebody removed it",
            f"send it a request from {host}; `journalctl -u keepalived` has the check's reason",
        )
    elif not (difference.by_check and intended.weights == "any"):
        yield _changed_rule(host, name, difference)


def _changed_rule(host: str, selector: str, difference: Difference) -> LiveFinding:
    name, live, expected = difference.host, difference.live, difference.wanted
    if with_weight(live, 0) == with_weight(expected, 0):
        return LiveFinding(
            "table",
            host,
            f"{name} has another weight in {selector}",
            f"{weight(live)} in place of {weight(expected)}",
            "0 takes no new connections: drained, or its check fails under `inhibit_on_failure`",
        )
    return LiveFinding(
        "table",
        host,
        f"{name} has other options in {selector}",
        f"`{live}` in place of `{expected}`",
        "deploy",
    )


def reroutes_at_weight_zero(options: str) -> bool:
    """Whether a service sends new clients of a server with weight 0 to another server.

    `options` are ipvsadm's (ipvsadm(8) -s, -b). `dh` refuses these clients. `sh` and `mh` refuse
    them without their fallback.
    """
    words = options.split()
    scheduler = words[words.index("-s") + 1] if "-s" in words else ""
    flags = words[words.index("-b") + 1].split(",") if "-b" in words else []
    return scheduler not in ("dh", "sh", "mh") or f"{scheduler}-fallback" in flags


def foreign_services(snapshot: Snapshot, host: str) -> tuple[str, ...]:
    """Return the selectors of services in the live table that hactl does not manage."""
    managed = {service.selector for service in snapshot.expected(host).services}
    return tuple(
        selector
        for selector in saved_table(snapshot.lives[host].ipvs_saved)
        if selector not in managed
    )


def sync_daemons(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The connection-sync daemons run as configured, with the right interface and identifier.

    A director runs both daemons. If they are bound to an instance, its master runs the sending
    daemon, and the other directors run the receiving daemon.
    """
    live, expected = snapshot.lives[host], snapshot.expected(host).sync
    if expected is None:
        return
    roles = {"master", "backup"}
    if expected.instance:
        state = next((vrrp.state for vrrp in live.vrrp if vrrp.name == expected.instance), "")
        roles = {"master"} if state == "MASTER" else {"backup"}
    running = {daemon.role: daemon for daemon in live.sync}
    fix = "`systemctl restart keepalived` there starts it"
    for role in sorted(roles):
        daemon = running.get(role)
        if daemon is None:
            yield LiveFinding(
                "sync_daemons",
                host,
                f"its {role} sync daemon does not run",
                "connections would break in a failover",
                fix,
            )
        elif (daemon.interface, daemon.sync_id) != (expected.interface, expected.sync_id):
            yield LiveFinding(
                "sync_daemons",
                host,
                f"its {role} sync daemon is not as configured",
                f"on {daemon.interface} with id {daemon.sync_id}, "
                f"not on {expected.interface} with {expected.sync_id}",
                fix,
            )
