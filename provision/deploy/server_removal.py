"""Real servers that are about to leave a service that stays: no new connections first, then out of the table.

Taken out at once, a server's requests under way would end with a reset (`expire_nodest_conn`). So every director sets
its weight to 0 in the kernel's table, the connections get a while to end, and the reload takes out what nobody uses.
The directors take the weights back by themselves should the run end otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from provision.core.errors import HostError
from provision.core.events import Events
from provision.deploy.drain import DrainRequest, carry_out
from provision.deploy.drift import installed_table, rules, rules_file
from provision.deploy.plan import HostPlan
from provision.desired.items import VirtualService
from provision.formats import endpoint
from provision.formats.ipvsadm import weight
from provision.hosts.agent import program
from provision.hosts.channel import Session
from provision.hosts.live.parse import ipvs_services
from provision.hosts.live.table import reroutes_at_weight_zero
from provision.hosts.protocol import decode_line, encode_line

DRAIN_TIMEOUT = 30.0
"""Seconds that the connections of a leaving server get at most."""

SETTLE_DELAY = 0.5
"""Seconds from the weight to the first count: handshakes under way become connections."""

POLL_INTERVAL = 1.0


@dataclass(frozen=True)
class RemovedServer:
    """One server of one service: ipvsadm's selector, its place there, and its options with the place in front."""

    selector: str
    place: str
    options: str


def removed_servers(plan: HostPlan) -> tuple[RemovedServer, ...]:
    """What the plan of a director takes out of its table, from services that keep another server, and stay.

    Where none stays, or the scheduler refuses who comes to a server with weight 0, nothing is eased.
    """
    item = rules_file(plan.desired)
    before, after = (
        installed_table(plan.desired, plan.observed),
        rules(item.content) if item else {},
    )
    found = []
    for selector, (options, old) in before.items():
        if not reroutes_at_weight_zero(options):
            continue
        new = after.get(selector, ("", {}))[1]
        if any(place in new and weight(new[place]) for place in old):
            gone = (place for place in old if place not in new)
            found += [RemovedServer(selector, place, f"-r {place} {old[place]}") for place in gone]
    return tuple(found)


def stale_drains(plan: HostPlan) -> tuple[str, ...]:
    """The real servers that are drained on a director and in no service any more: should one come back, it is not."""
    servers = {
        text.split()[0]
        for item in plan.desired.items
        if isinstance(item, VirtualService)
        for text in item.servers
    }
    return tuple(host for host in plan.observed.drained if servers and host not in (".", *servers))


class ServerRemoval:
    """The servers that the plans of a rollout take out of tables that stay: a context manager around its batches.

    Nothing happens, and no exec is spent, where none leaves. Once eased, they have their weight back when the block
    ends without `gone`.
    """

    def __init__(
        self,
        plans: Mapping[str, HostPlan],
        sessions: Mapping[str, Session],
        events: Events,
        patience: float = DRAIN_TIMEOUT,
    ) -> None:
        found = {host: removed_servers(plan) for host, plan in plans.items() if host in sessions}
        self._plans = plans
        self._going = {host: some for host, some in found.items() if some}
        self._holding = _holding(plans, self._going)
        self._sessions = sessions
        self._events = events
        self._patience = patience
        self._directors: list[_Director] = []
        self._eased = self._gone = False

    def __enter__(self) -> ServerRemoval:
        return self

    def __exit__(self, *_: object) -> None:
        for director in self._directors:
            director.end(self._gone)

    def due(self, hosts: Collection[str]) -> bool:
        """Whether it is time to ease: the first of the directors concerned is among those that change next."""
        return not self._eased and any(host in hosts for host in self._going)

    def ease(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Give them no new connections, on all directors, and wait for what they have, unless `stop` says so.

        A director that cannot be told is named: what it sends there meanwhile may break.
        """
        self._eased = True
        for host, found in self._going.items():
            try:
                self._directors.append(_Director(self._sessions[host], found))
            except HostError as error:
                self._events.note(f"requests to servers that leave may break: {error.line()}")
        counted = [one for one in self._directors if one.host in self._holding] or self._directors
        end, said = time.monotonic() + self._patience, 0
        time.sleep(SETTLE_DELAY)
        while (left := sum(director.connections() for director in counted)) and not stop():
            if time.monotonic() >= end:
                self._events.note(
                    f"{left} connections of servers that leave did not end in {self._patience:.0f} s"
                )
                return
            if left != said:
                self._events.note(f"waiting for {left} connections of servers that leave")
                said = left
            time.sleep(POLL_INTERVAL)

    def gone(self, who: str, digest: str) -> None:
        """The servers are out of the tables: there is nothing to take back, and no drain of theirs to remember.

        `who` and the inventory's `digest` are for the directors' logs.
        """
        self._gone = True
        for director, plan in self._plans.items():
            for host in stale_drains(plan) if director in self._sessions else ():
                try:
                    carry_out(
                        self._sessions[director],
                        DrainRequest("undrain", "server", host, who, digest),
                    )
                except HostError as error:
                    self._events.note(
                        f"the drain of {host}, which is gone, is not forgotten: {error.line()}"
                    )


class _Director:
    """One director's part: a channel to the agent, which gives the weights back when it closes. Raises HostError."""

    def __init__(self, session: Session, found: tuple[RemovedServer, ...]) -> None:
        self.host = session.host
        self._places = {(one.selector, one.place) for one in found}
        self._channel = session.run_agent(program("leave"))
        self._channel.send(
            b"".join(encode_line(one.selector, one.options) for one in found) + b"\n"
        )
        if decode_line(self._channel.read_line() or b"") != ("eased",):
            self._channel.close()
            raise HostError(self.host, "the connection was lost before their weight was changed")

    def connections(self) -> int:
        """The active ones of the servers that leave."""
        rows = []
        try:
            self._channel.send(encode_line("count"))
            while (line := self._channel.read_line()) and (fields := decode_line(line))[0] == "row":
                rows.append(fields[1])
        except HostError:
            return 0
        return sum(
            server.active
            for service in ipvs_services(rows)
            for server in service.servers
            if (service.selector, server.place) in self._places
        )

    def end(self, gone: bool) -> None:
        """Let go of it; where the servers are not `gone`, they get their weight back."""
        try:
            if gone:
                self._channel.send(encode_line("gone"))
        except HostError:
            return
        finally:
            self._channel.close()


def _holding(
    plans: Mapping[str, HostPlan], going: Mapping[str, tuple[RemovedServer, ...]]
) -> frozenset[str]:
    """The directors that have the address of a service that somebody leaves: their count is the true one.

    A backup hears of connections only, and forgets them later.
    """
    addresses = {
        endpoint.host(one.selector.split()[-1]) for found in going.values() for one in found
    }
    return frozenset(
        host
        for host in going
        for interface in plans[host].observed.facts.interfaces
        if addresses & {own.partition("/")[0] for own in interface.addresses}
    )
