"""Drains: which hosts may be drained, and the request to a director.

The command is in provision/commands/drain.py.

A drained real server has weight 0 on every director, through a file whose number Keepalived adds to
its weight. A drained director has the lowest priority for all its addresses, through the hand-over
files. Both kinds of files are on the directors' disks, so a drain survives reloads, restarts,
reboots, failovers and deploys.
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

FIX_OTHERS = "undrain or repair another first; nothing was changed"
"""The hint of a refusal to drain the last host that does the work."""


@dataclass(frozen=True)
class DrainRequest:
    """The request to a director.

    `verb` is drain or undrain, `kind` is server or director, `host` is the host to drain or
    undrain. `operator` and the inventory's `digest` are for the director's log.
    """

    verb: str
    kind: str
    host: str
    operator: str
    digest: str


def carry_out(session: Session, request: DrainRequest) -> None:
    """Send the request to one director. Takes one exec.

    Raises:
        HostError: the director could not do it; the message has the reason.
    """
    channel = session.run_agent(program("drain"))
    try:
        channel.send(
            encode_line(request.verb, request.kind, request.host, request.operator, request.digest)
        )
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
    request: DrainRequest,
    events: Events,
) -> None:
    """Send the request to several directors; if one refuses a drain, undo it on the others.

    Raises:
        HostError: a director could not do it.
    """
    done: list[str] = []
    for director in directors:
        try:
            carry_out(sessions(director), request)
        except HostError as error:
            if request.verb == "drain":
                drain_on_all(sessions, done, replace(request, verb="undrain"), events)
            elif done:
                error.hint = f"{error.hint}\n  {_incomplete_undrain(request.host, done)}".lstrip()
            raise
        done.append(director)
        events.host(
            director,
            f"{request.verb}ed {request.host}" if director != request.host else f"{request.verb}ed",
        )


def _incomplete_undrain(host: str, done: Sequence[str]) -> str:
    return (
        f"Only {' and '.join(done)} undrained {host}: "
        "run the command again once all directors answer."
    )


def directors_of(topology: Topology, host: str) -> tuple[str, ...]:
    """The directors that send connections to a host, or share addresses with it."""
    frontends = topology.directed_by(host) or topology.served_by(host)
    return tuple(
        dict.fromkeys(director.host for frontend in frontends for director in frontend.directors)
    )


def refusal(snapshot: Snapshot, host: str) -> HactlError | None:
    """The reason why a host must not be drained now; None if it may be drained."""
    is_director = snapshot.topology.directed_by(host)
    refusals = _director_refusals if is_director else _server_refusals
    return next((HactlError(reason, fix) for reason, fix in refusals(snapshot, host)), None)


def _server_refusals(snapshot: Snapshot, host: str) -> Iterator[tuple[str, str]]:
    for frontend in snapshot.topology.served_by(host):
        for director in frontend.directors:
            if ipvs_owner(snapshot.topology, director.host) != "keepalived":
                yield (
                    f"{host} cannot be drained: ipvsadm fills the table of {director.host}, "
                    "and nothing there watches a drain file",
                    "give it `weight: 0` in the inventory and deploy",
                )
        for service in frontend.services:
            servers = [server.host for server in service.real_servers]
            if host in servers:
                for entry, names in entries(frontend, service):
                    yield from _last_server(snapshot, frontend, entry.selector, names, host)


def _last_server(
    snapshot: Snapshot,
    frontend: ResolvedFrontend,
    selector: str,
    names: Mapping[str, str],
    host: str,
) -> Iterator[tuple[str, str]]:
    """Every director must keep a server that takes new connections: alive, and not drained."""
    for live in snapshot.directors(frontend):
        options = saved_table(live.ipvs_saved).get(selector, ("", {}))[0]
        if not reroutes_at_weight_zero(options):
            yield (
                f"{host} cannot be drained: `{options}` of {selector} on {live.host} refuses "
                "clients of a server with weight 0",
                "deploy, which adds the fallback to `sh` and `mh`; with `dh` use another scheduler",
            )
        service = next((entry for entry in live.services if entry.selector == selector), None)
        servers = service.servers if service else ()
        alive = {server.place for server in servers if server.weight}
        others = {name for place, name in names.items() if place in alive} - {host, *live.drained}
        if not others:
            states = ", ".join(
                f"{name} is {'drained' if name in live.drained else 'down'}"
                for name in dict.fromkeys(names.values())
                if name != host
            )
            reason = f"{host} is the last real server of {selector} that takes connections"
            yield f"{reason} ({states or 'it has no other'})", FIX_OTHERS


def _director_refusals(snapshot: Snapshot, host: str) -> Iterator[tuple[str, str]]:
    for frontend in snapshot.topology.directed_by(host):
        if frontend.vrrp.nopreempt:
            yield (
                f"{host} cannot hand {frontend.name} over: with `nopreempt` a backup never takes "
                "over from a running master",
                f"`systemctl stop keepalived` on {host} hands it over; nothing was changed",
            )
        ready = [
            live.host
            for live, _, instance in snapshot.instances(frontend)
            if instance and instance.state in ("MASTER", "BACKUP")
        ]
        if not any(name != host and not snapshot.lives[name].drained_by for name in ready):
            states = ", ".join(
                f"{director.host} is {_director_state(snapshot, director.host)}"
                for director in frontend.directors
                if director.host != host
            )
            reason = f"{host} is the last director of {frontend.name} that can hold its addresses"
            yield f"{reason} ({states or 'it has no other'})", FIX_OTHERS


def _director_state(snapshot: Snapshot, host: str) -> str:
    live = snapshot.lives.get(host)
    return (
        "not reachable"
        if live is None
        else "drained"
        if live.drained_by
        else "not ready to take over"
    )


@dataclass(frozen=True)
class Remaining:
    """Work that a drained host still has: connections of one service, or an address.

    `director` counts the connections or holds the address; `description` is the work in words.
    """

    director: str
    description: str
    connections: int


def remaining(snapshot: Snapshot, host: str) -> tuple[Remaining, ...]:
    """The work that must end before a drained host is idle.

    For a real server these are its connections, from the tables of the directors that hold the
    addresses. UDP has no connections that end. Connections that only wait for the time-out of their
    last state (FIN_WAIT, TIME_WAIT) do not count. For a director these are the addresses that it
    holds.
    """
    if snapshot.topology.directed_by(host):
        return tuple(_addresses(snapshot, host))
    return tuple(_connections(snapshot, host))


def _addresses(snapshot: Snapshot, host: str) -> Iterator[Remaining]:
    for frontend in snapshot.topology.directed_by(host):
        unseen = " and ".join(snapshot.unseen(frontend))
        for vip, hosts in holders(frontend, snapshot.lives).items():
            if host in hosts:
                yield Remaining(host, f"{vip} is held by {' and '.join(hosts)}", 0)
            elif not hosts:
                state = (
                    f"who holds {vip} is unknown: {unseen} not seen"
                    if unseen
                    else f"{vip} is held by nobody"
                )
                yield Remaining(host, state, 0)


def _connections(snapshot: Snapshot, host: str) -> Iterator[Remaining]:
    for frontend in snapshot.topology.served_by(host):
        masters = {name for hosts in holders(frontend, snapshot.lives).values() for name in hosts}
        places = {
            (entry.selector, place)
            for service in frontend.services
            for entry, names in entries(frontend, service)
            for place, name in names.items()
            if name == host
        }
        for live in snapshot.directors(frontend):
            for service in live.services if live.host in masters else ():
                for server in service.servers:
                    if (service.selector, server.place) in places and server.active:
                        yield Remaining(
                            live.host,
                            f"{server.active} connections of {service.selector}",
                            server.active,
                        )


def describe(work: Sequence[Remaining]) -> str:
    """The remaining work, in words."""
    return ", ".join(
        f"{item.description} on {item.director}" if item.connections else item.description
        for item in work
    )
