"""Drains: what may be drained, and one host's part of it. The command is provision/commands/drain.py.

A drained real server has weight 0 on every director, through a file that Keepalived adds to its weight; a drained
director is the last in line for all its addresses, through the hand-over files. Both lie on the directors' disks, so
they outlive reloads, restarts, reboots, failovers and deploys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from provision.core.errors import HactlError, HostError
from provision.core.events import Events
from provision.desired.host_variables import ipvs_owner
from provision.formats.ipvsadm import saved_table
from provision.hosts.agent import program
from provision.hosts.channel import Session
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.table import entries, reroutes_at_weight_zero
from provision.hosts.live.vips import holders
from provision.hosts.protocol import decode_line, encode_line
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology


@dataclass(frozen=True)
class DrainRequest:
    """What a director is told: `verb` is drain or undrain, `kind` server or director, `host` whom it is about.

    `who` and the inventory's `digest` are for its log.
    """

    verb: str
    kind: str
    host: str
    who: str
    digest: str


def carry_out(session: Session, order: DrainRequest) -> None:
    """Tell one director. Takes one exec.

    Raises:
        HostError: it could not, and why.
    """
    channel = session.run_agent(program("drain"))
    try:
        channel.send(encode_line(order.verb, order.kind, order.host, order.who, order.digest))
        line = channel.read_line()
    finally:
        channel.close()
    word, *fields = decode_line(line or b"")
    if word != "done":
        raise HostError(
            session.host, " ".join(fields) or "the connection was lost: run the command again"
        )


def drain_on_all(
    sessions: Callable[[str], Session],
    directors: Iterable[str],
    order: DrainRequest,
    events: Events,
) -> None:
    """Tell several directors; a drain that one of them refuses is taken back on the others.

    Raises:
        HostError: one could not be told.
    """
    told: list[str] = []
    for director in directors:
        try:
            carry_out(sessions(director), order)
        except HostError as error:
            if order.verb == "drain":
                drain_on_all(sessions, told, replace(order, verb="undrain"), events)
            elif told:
                error.hint = f"{error.hint}\n  {_some_told(order.host, told)}".lstrip()
            raise
        told.append(director)
        events.host(
            director,
            f"{order.verb}ed {order.host}" if director != order.host else f"{order.verb}ed",
        )


def _some_told(host: str, told: Sequence[str]) -> str:
    return f"Only {' and '.join(told)} gave {host} its work back: run the command again once all directors answer."


def directors_of(topology: Topology, host: str) -> tuple[str, ...]:
    """The directors that have to do with a host: those that send it connections, or share addresses with it."""
    frontends = topology.directed_by(host) or topology.served_by(host)
    return tuple(dict.fromkeys(each.host for frontend in frontends for each in frontend.directors))


def refusal(seen: Snapshot, host: str) -> HactlError | None:
    """Why a host must not be drained now; None where it may."""
    topology = seen.topology
    check = _director_refusals if topology.directed_by(host) else _server_refusals
    return next((HactlError(what, fix) for what, fix in check(seen, host)), None)


def _server_refusals(seen: Snapshot, host: str) -> Iterator[tuple[str, str]]:
    for frontend in seen.topology.served_by(host):
        for director in frontend.directors:
            if ipvs_owner(seen.topology, director.host) != "keepalived":
                what = f"{host} cannot be drained: ipvsadm fills the table of {director.host}, and nothing watches a file"
                yield what, "give it `weight: 0` in the inventory and deploy"
        for service in frontend.services:
            servers = [server.host for server in service.real_servers]
            if host in servers:
                for entry, names in entries(frontend, service):
                    yield from _last_server(seen, frontend, entry.selector, names, host)


def _last_server(
    seen: Snapshot, frontend: ResolvedFrontend, selector: str, names: Mapping[str, str], host: str
) -> Iterator[tuple[str, str]]:
    """No director may be left without a server that takes new connections: alive, and not drained."""
    for live in seen.directors(frontend):
        options = saved_table(live.ipvs_saved).get(selector, ("", {}))[0]
        if not reroutes_at_weight_zero(options):
            what = f"{host} cannot be drained: `{options}` of {selector} on {live.host} refuses who comes to weight 0"
            yield (
                what,
                "deploy, which adds the fallback to `sh` and `mh`; with `dh` take another scheduler",
            )
        found = next((one for one in live.services if one.selector == selector), None)
        alive = {one.place for one in (found.servers if found else ()) if one.weight}
        others = {name for place, name in names.items() if place in alive} - {host, *live.drained}
        if not others:
            rest = [name for name in dict.fromkeys(names.values()) if name != host]
            why = ", ".join(
                f"{name} is {'drained' if name in live.drained else 'down'}" for name in rest
            )
            what = f"{host} is the last real server of {selector} that takes connections"
            yield (
                f"{what} ({why or 'it has no other'})",
                "undrain or mend another first; nothing was changed",
            )


def _director_refusals(seen: Snapshot, host: str) -> Iterator[tuple[str, str]]:
    for frontend in seen.topology.directed_by(host):
        if frontend.vrrp.nopreempt:
            what = f"{host} cannot hand {frontend.name} over: with `nopreempt` a backup takes nothing from a living master"
            yield (
                what,
                f"`systemctl stop keepalived` on {host} says goodbye instead; nothing was changed",
            )
        able = [
            live.host
            for live, _, own in seen.instances(frontend)
            if own and own.state in ("MASTER", "BACKUP")
        ]
        others = [name for name in able if name != host and not seen.lives[name].drained_by]
        if not others:
            rest = [each.host for each in frontend.directors if each.host != host]
            why = ", ".join(f"{name} is {_condition(seen, name)}" for name in rest)
            what = f"{host} is the last director of {frontend.name} that can hold its addresses"
            yield (
                f"{what} ({why or 'it has no other'})",
                "undrain or mend another first; nothing was changed",
            )


def _condition(seen: Snapshot, host: str) -> str:
    live = seen.lives.get(host)
    return (
        "not reachable"
        if live is None
        else "drained"
        if live.drained_by
        else "not ready to take over"
    )


@dataclass(frozen=True)
class Remaining:
    """What a host still has: connections of one service on its holder, or an address, `what` in words."""

    director: str
    what: str
    connections: int


def left_on(seen: Snapshot, host: str) -> tuple[Remaining, ...]:
    """What is still to go before a drained host does nothing any more.

    Of a real server its connections by the tables of the directors that hold the addresses; UDP has none that end, and
    what waits to be forgotten (FIN_WAIT, TIME_WAIT) counts no more. Of a director the addresses that it holds.
    """
    if seen.topology.directed_by(host):
        return tuple(_addresses(seen, host))
    return tuple(_connections(seen, host))


def _addresses(seen: Snapshot, host: str) -> Iterator[Remaining]:
    for frontend in seen.topology.directed_by(host):
        unseen = " and ".join(seen.unseen(frontend))
        for vip, hosts in holders(frontend, seen.lives).items():
            if host in hosts:
                yield Remaining(host, f"{vip} is held by {' and '.join(hosts)}", 0)
            elif not hosts:
                nobody = (
                    f"who holds {vip} is unknown: {unseen} not seen"
                    if unseen
                    else f"{vip} is held by nobody"
                )
                yield Remaining(host, nobody, 0)


def _connections(seen: Snapshot, host: str) -> Iterator[Remaining]:
    for frontend in seen.topology.served_by(host):
        held = {name for hosts in holders(frontend, seen.lives).values() for name in hosts}
        for live in seen.directors(frontend):
            if live.host not in held:
                continue
            places = {
                (entry.selector, place)
                for service in frontend.services
                for entry, names in entries(frontend, service)
                for place, name in names.items()
                if name == host
            }
            for one in live.services:
                for server in one.servers:
                    if (one.selector, server.place) in places and server.active:
                        yield Remaining(
                            live.host,
                            f"{server.active} connections of {one.selector}",
                            server.active,
                        )


def describe(left: Sequence[Remaining]) -> str:
    """What is left, in words."""
    return ", ".join(
        f"{one.what} on {one.director}" if one.connections else one.what for one in left
    )
