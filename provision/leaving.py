"""Real servers that are about to leave a service that stays: no new connections first, then out of the table.

Taken out at once, a server's requests under way would end with a reset (`expire_nodest_conn`). So every director sets
its weight to 0 in the kernel's table, the connections get a while to end, and the reload takes out what nobody uses.
The directors take the weights back by themselves should the run end otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from provision.agent import program
from provision.desired import File
from provision.errors import HostError
from provision.events import Events
from provision.live.parse import ipvs_services
from provision.live.table import saved_table
from provision.plan import HostPlan
from provision.remote.channel import Channel, Session
from provision.remote.protocol import decode_line, encode_line

RULES = ("/etc/ipvsadm.rules", "/etc/sysconfig/ipvsadm")
"""Where role ipvs puts the intended table."""

PATIENCE = 30.0
"""Seconds that the connections of a leaving server get at most."""

SETTLE = 0.5
"""Seconds from the weight to the first count: handshakes under way become connections."""

EVERY = 1.0


@dataclass(frozen=True)
class Leaver:
    """One server of one service: ipvsadm's selector, its place there, and its options with the place in front."""

    selector: str
    place: str
    options: str


def leavers(plan: HostPlan) -> tuple[Leaver, ...]:
    """What the plan of a director takes out of its table, from services that keep another server, and stay.

    Where none stays there is nobody to go to, so nothing is eased.
    """
    before, after = _tables(plan)
    found = []
    for selector, (_, old) in before.items():
        new = after.get(selector, ("", {}))[1]
        if any(place in new and " -w 0 " not in f"{new[place]} " for place in old):
            gone = (place for place in old if place not in new)
            found += [Leaver(selector, place, f"-r {place} {old[place]}") for place in gone]
    return tuple(found)


Table = Mapping[str, tuple[str, Mapping[str, str]]]


def _tables(plan: HostPlan) -> tuple[Table, Table]:
    """The intended table as it is installed and as it is to be; two empty ones where it does not change."""
    for path in RULES:
        item, was = plan.desired.get("file", path), plan.observed.items.get(("file", path))
        if isinstance(item, File) and was and was.content is not None:
            texts = (content.decode(errors="replace") for content in (was.content, item.content))
            before, after = (saved_table(line for line in text.splitlines() if line.startswith("-")) for text in texts)
            return before, after
    return {}, {}


@contextmanager
def eased(
    plans: Mapping[str, HostPlan], sessions: Mapping[str, Session], events: Events, patience: float = PATIENCE
) -> Iterator[Easing]:
    """Ease every server that the plans take out of a table that stays, and wait for its connections, before the block.

    Nothing happens, and no exec is spent, where none leaves. When the block ends without `Easing.gone`, the weights are
    what they were.

    Raises:
        HostError: a director could not be told; nothing was changed.
    """
    going = {host: found for host, plan in plans.items() if host in sessions and (found := leavers(plan))}
    with ExitStack() as stack:
        directors = [stack.enter_context(_told(sessions[host], found)) for host, found in going.items()]
        easing = Easing(directors, _holding(plans, going))
        if directors:
            easing.wait(patience, events)
        yield easing
        easing.end()


class Easing:
    """The directors that wait for a leaving server, over channels that stay open."""

    def __init__(self, directors: list[_Director], holding: frozenset[str]) -> None:
        self._directors = directors
        self._counted = [one for one in directors if one.host in holding] or directors
        self._done = False

    def gone(self) -> None:
        """The servers are out of the tables: there is nothing to take back."""
        self._done = True

    def end(self) -> None:
        """Tell the directors so, where it is so."""
        if self._done:
            for director in self._directors:
                director.gone()

    def wait(self, patience: float, events: Events) -> None:
        """Until no connection is left, by the directors that hold the addresses, or the patience has ended.

        A director that is lost meanwhile is not waited for.
        """
        end, said = time.monotonic() + patience, 0
        time.sleep(SETTLE)
        while left := sum(director.connections() for director in self._counted):
            if time.monotonic() >= end:
                events.note(f"{left} connections of servers that leave did not end within {patience:.0f} s")
                return
            if left != said:
                events.note(f"waiting for {left} connections of servers that leave")
                said = left
            time.sleep(EVERY)


class _Director:
    """One director's part: a channel to the agent, which gives the weights back when it closes."""

    def __init__(self, host: str, channel: Channel, found: tuple[Leaver, ...]) -> None:
        self.host = host
        self._channel = channel
        self._places = {(one.selector, one.place) for one in found}

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

    def gone(self) -> None:
        try:
            self._channel.send(encode_line("gone"))
        except HostError:
            return


@contextmanager
def _told(session: Session, found: tuple[Leaver, ...]) -> Iterator[_Director]:
    channel = session.run_agent(program("leave"))
    try:
        channel.send(b"".join(encode_line(one.selector, one.options) for one in found) + b"\n")
        if decode_line(channel.read_line() or b"") != ("eased",):
            raise HostError(session.host, "the connection was lost before anything was changed")
        yield _Director(session.host, channel, found)
    finally:
        channel.close()


def _holding(plans: Mapping[str, HostPlan], going: Mapping[str, tuple[Leaver, ...]]) -> frozenset[str]:
    """The directors that have the address of a service that somebody leaves: their count is the true one.

    A backup hears of connections only, and forgets them later.
    """
    addresses = {one.selector.split()[-1].rpartition(":")[0].strip("[]") for found in going.values() for one in found}
    return frozenset(
        host
        for host in going
        for interface in plans[host].observed.facts.interfaces
        if addresses & {own.partition("/")[0] for own in interface.addresses}
    )
