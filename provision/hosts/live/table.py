"""The kernel's table of virtual services beside the intended one, and the connection-sync daemons."""

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
    """Where the live table is not the intended one: in the options of a service, or in the real server at `place`.

    `place` is empty for the service. `live` is empty for a server that is not in the table, `wanted` for one that
    nobody wants there. `by_check` says that a health check may have done it.
    """

    host: str
    place: str
    live: str
    wanted: str
    by_check: bool = False


def differences(
    intended: VirtualService, live: tuple[str, Mapping[str, str]], drained: Container[str]
) -> Iterator[Difference]:
    """The differences of one service; a server that is drained is to have weight 0. Plan and verify judge by these."""
    options, servers = live
    if options != intended.options:
        yield Difference("", "", options, intended.options)
    destinations = [text.split(" ", 2) for text in intended.servers]
    for host, place, rule in destinations:
        wanted = with_weight(rule, 0) if host in drained else rule
        actual = servers.get(place, "")
        if actual != wanted:
            yield Difference(
                host, place, actual, wanted, not actual or _by_a_check(intended, actual, wanted)
            )
    known = {place for _, place, _ in destinations}
    yield from (
        Difference("", place, actual, "") for place, actual in servers.items() if place not in known
    )


def _by_a_check(intended: VirtualService, live: str, wanted: str) -> bool:
    """Whether the two differ in a weight that a check may have set."""
    if with_weight(live, 0) != with_weight(wanted, 0):
        return False
    return intended.weights == "any" or (intended.weights == "zero" and weight(live) == 0)


def table(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """The live table is the intended one: every service, every real server in it, with its weight and method.

    A server that is drained has weight 0.

    Services that hactl knows nothing of are left alone; `foreign_services` names them.
    """
    live = saved_table(seen.lives[host].ipvs_saved)
    for intended in map(virtual, seen.wanted(host).services):
        if intended.name in live:
            for difference in differences(intended, live[intended.name], seen.lives[host].drained):
                yield from _finding(host, intended, difference)
        else:
            fix = "a reload does not repair a table emptied by hand: `systemctl restart keepalived` here"
            why = f"the table has {', '.join(live) or 'nothing at all'}"
            yield LiveFinding(
                "table", host, f"the service {intended.name} is not in the table", why, fix
            )


def entries(
    frontend: ResolvedFrontend, service: ResolvedService
) -> Iterator[tuple[IpvsService, dict[str, str]]]:
    """Each entry of the table that a service makes, with the names of its servers by their address there."""
    alone = dataclasses.replace(frontend, services=(service,))
    for entry in ipvs_services((alone,)):
        places = (server.place for server in entry.servers)
        yield (
            entry,
            dict(zip(places, (server.host for server in service.real_servers), strict=True)),
        )


def drained_alike(seen: Snapshot, frontend: ResolvedFrontend) -> Iterator[LiveFinding]:
    """A server that is drained is so on every director: else a failover would send it connections again."""
    lives = list(seen.directors(frontend))
    for server in frontend.real_servers:
        where = [live.host for live in lives if server in live.drained]
        for live in lives:
            if where and live.host not in where:
                what = f"{server} is drained on {', '.join(where)} and not here"
                why = "a failover would send it connections again"
                yield LiveFinding(
                    "drained_alike",
                    live.host,
                    what,
                    why,
                    f"`hactl drain {server}` again, or `hactl undrain`",
                )


def _finding(host: str, intended: VirtualService, difference: Difference) -> Iterator[LiveFinding]:
    """What a difference means to the service's clients; nothing where a check sets weights as it likes."""
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
            why = "too few real servers are well (`quorum`)"
            fix = "look at the real servers; `journalctl -u keepalived` has the checks' reasons"
            yield LiveFinding("table", host, f"the sorry server answers for {name}", why, fix)
    elif not difference.wanted:
        what, fix = (
            f"{difference.place} is in {name} and not in the inventory",
            f"`ipvsadm -d {name} -r {difference.place}` takes it out",
        )
        yield LiveFinding("table", host, what, difference.live, fix)
    elif not difference.live:
        why = f"{difference.place} is not in the table: its check fails, or somebody took it out"
        fix = f"ask it yourself from {host}; `journalctl -u keepalived` has the check's reason"
        yield LiveFinding("table", host, f"{difference.host} is missing from {name}", why, fix)
    elif not (difference.by_check and intended.weights == "any"):
        yield LiveFinding(
            "table", host, *_differs(difference.host, name, difference.live, difference.wanted)
        )


def _differs(name: str, selector: str, rule: str, wanted: str) -> tuple[str, str, str]:
    if with_weight(rule, 0) == with_weight(wanted, 0):
        why = f"{weight(rule)} in place of {weight(wanted)}"
        fix = "0 takes no new connections: drained, or its check fails under `inhibit_on_failure`"
        return f"{name} has another weight in {selector}", why, fix
    return f"{name} has other options in {selector}", f"`{rule}` in place of `{wanted}`", "deploy"


def reroutes_at_weight_zero(options: str) -> bool:
    """Whether a service of these options sends new clients of a server with weight 0 to another (ipvsadm(8) -s, -b).

    `dh` never does, `sh` and `mh` with their fallback; else they are refused.
    """
    words = options.split()
    scheduler = words[words.index("-s") + 1] if "-s" in words else ""
    flags = words[words.index("-b") + 1].split(",") if "-b" in words else []
    return scheduler not in ("dh", "sh", "mh") or f"{scheduler}-fallback" in flags


def foreign_services(seen: Snapshot, host: str) -> tuple[str, ...]:
    """The services of the live table that are none of hactl's, by selector."""
    own = {service.selector for service in seen.wanted(host).services}
    return tuple(
        selector for selector in saved_table(seen.lives[host].ipvs_saved) if selector not in own
    )


def sync_daemons(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """Connections are synchronised as configured: the daemons run, on the right interface, with the same identifier.

    Unbound, both run on every director; bound to an instance, the sending one on its master and the other elsewhere.
    """
    live, wanted = seen.lives[host], seen.wanted(host).sync
    if wanted is None:
        return
    roles = {"master", "backup"}
    if wanted.instance:
        state = next((own.state for own in live.vrrp if own.name == wanted.instance), "")
        roles = {"master"} if state == "MASTER" else {"backup"}
    running = {daemon.role: daemon for daemon in live.sync}
    fix = "`systemctl restart keepalived` there starts it"
    for role in sorted(roles):
        daemon = running.get(role)
        if daemon is None:
            why = "connections would break in a failover"
            yield LiveFinding(
                "sync_daemons", host, f"its {role} sync daemon does not run", why, fix
            )
        elif (daemon.interface, daemon.sync_id) != (wanted.interface, wanted.sync_id):
            why = f"on {daemon.interface} with id {daemon.sync_id}, not on {wanted.interface} with {wanted.sync_id}"
            yield LiveFinding(
                "sync_daemons", host, f"its {role} sync daemon is not as configured", why, fix
            )
