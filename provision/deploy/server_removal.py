"""Remove real servers from a service that stays: no new connections first, then out of the table.

If a server left the table at once, its running requests would end with a reset
(`expire_nodest_conn`). So every director first sets the server's weight to 0 in the kernel's table.
The connections get time to end, and then the reload removes a server that nobody uses. If the run
ends in another way, the directors restore the weights by themselves.
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
"""Seconds that the connections of a removed server get to end."""

SETTLE_DELAY = 0.5
"""Seconds between setting the weight and the first count: open handshakes become connections."""

POLL_INTERVAL = 1.0
"""Seconds between two counts."""


@dataclass(frozen=True)
class RemovedServer:
    """A server of one service, in ipvsadm's syntax.

    `selector` is the service, `place` the server's address there, and `options` all of its options,
    the address (-r) first.
    """

    selector: str
    place: str
    options: str


def removed_servers(plan: HostPlan) -> tuple[RemovedServer, ...]:
    """The servers that a director's plan removes from services that stay and keep another server.

    A service is left out if its scheduler refuses clients of a server with weight 0.
    """
    item = rules_file(plan.desired)
    before = installed_table(plan.desired, plan.observed)
    after = rules(item.content) if item else {}
    removed = []
    for selector, (options, old) in before.items():
        if not reroutes_at_weight_zero(options):
            continue
        new = after.get(selector, ("", {}))[1]
        if any(place in new and weight(new[place]) for place in old):
            removed += [
                RemovedServer(selector, place, f"-r {place} {rule}")
                for place, rule in old.items()
                if place not in new
            ]
    return tuple(removed)


def stale_drains(plan: HostPlan) -> tuple[str, ...]:
    """The drained real servers that are no longer in any service of the director.

    Their drain must be deleted: a server that comes back later is not drained.
    """
    servers = {
        text.split()[0]
        for item in plan.desired.items
        if isinstance(item, VirtualService)
        for text in item.servers
    }
    return tuple(host for host in plan.observed.drained if servers and host not in (".", *servers))


class ServerRemoval:
    """The removal of servers from services that stay: a context manager around the batches.

    Without such servers it does nothing and takes no exec. If the block ends without `finish` after
    `drain`, the servers get their weight back.
    """

    def __init__(
        self,
        plans: Mapping[str, HostPlan],
        sessions: Mapping[str, Session],
        events: Events,
        timeout: float = DRAIN_TIMEOUT,
    ) -> None:
        removed = {host: removed_servers(plan) for host, plan in plans.items() if host in sessions}
        self._plans = plans
        self._removed = {host: servers for host, servers in removed.items() if servers}
        self._masters = _masters(plans, self._removed)
        self._sessions = sessions
        self._events = events
        self._timeout = timeout
        self._directors: list[_Director] = []
        self._is_drained = self._is_finished = False

    def __enter__(self) -> ServerRemoval:
        return self

    def __exit__(self, *_: object) -> None:
        for director in self._directors:
            director.close(self._is_finished)

    def due(self, hosts: Collection[str]) -> bool:
        """Whether to drain now: `hosts`, which change next, have the first director concerned."""
        return not self._is_drained and any(host in hosts for host in self._removed)

    def drain(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Set the weight to 0 on all directors and wait for the connections to end, or for `stop`.

        A director that does not answer is reported: requests that it sends there may fail.
        """
        self._is_drained = True
        for host, servers in self._removed.items():
            try:
                self._directors.append(_Director(self._sessions[host], servers))
            except HostError as error:
                self._events.note(f"requests to the removed servers may fail: {error.line()}")
        masters = [director for director in self._directors if director.host in self._masters]
        counted = masters or self._directors
        deadline, reported = time.monotonic() + self._timeout, 0
        time.sleep(SETTLE_DELAY)
        while (count := sum(director.connections() for director in counted)) and not stop():
            if time.monotonic() >= deadline:
                self._events.note(
                    f"{count} connections of the removed servers did not end within "
                    f"{self._timeout:.0f} s"
                )
                return
            if count != reported:
                self._events.note(f"waiting for {count} connections of the removed servers")
                reported = count
            time.sleep(POLL_INTERVAL)

    def finish(self, operator: str, digest: str) -> None:
        """The servers have left the tables: keep it so, and delete their drains.

        `operator` and the inventory's `digest` are for the directors' logs.
        """
        self._is_finished = True
        for director, plan in self._plans.items():
            for host in stale_drains(plan) if director in self._sessions else ():
                try:
                    carry_out(
                        self._sessions[director],
                        DrainRequest("undrain", "server", host, operator, digest),
                    )
                except HostError as error:
                    self._events.note(
                        f"the drain of {host}, which was removed, stays: {error.line()}"
                    )


class _Director:
    """The channel to one director's agent, which restores the weights when it closes.

    Raises:
        HostError: the director did not set the weights.
    """

    def __init__(self, session: Session, servers: tuple[RemovedServer, ...]) -> None:
        self.host = session.host
        self._places = {(server.selector, server.place) for server in servers}
        self._channel = session.run_agent(program("leave"))
        self._channel.send(
            b"".join(encode_line(server.selector, server.options) for server in servers) + b"\n"
        )
        if decode_line(self._channel.read_line() or b"") != ("eased",):
            self._channel.close()
            raise HostError(
                self.host, "the connection was lost before the weight of the servers was changed"
            )

    def connections(self) -> int:
        """The active connections of the removed servers; 0 if the host does not answer."""
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

    def close(self, finished: bool) -> None:
        """Close the channel; unless `finished`, the servers get their weight back."""
        try:
            if finished:
                self._channel.send(encode_line("gone"))
        except HostError:
            return
        finally:
            self._channel.close()


def _masters(
    plans: Mapping[str, HostPlan], removed: Mapping[str, tuple[RemovedServer, ...]]
) -> frozenset[str]:
    """The directors that hold the address of a service with removed servers: their count is right.

    A backup only has copies of connections, and deletes them later.
    """
    addresses = {
        endpoint.host(server.selector.split()[-1])
        for servers in removed.values()
        for server in servers
    }
    return frozenset(
        host
        for host in removed
        for interface in plans[host].observed.facts.interfaces
        if addresses & {cidr.partition("/")[0] for cidr in interface.addresses}
    )
