"""What is asked of the wire from the client's side, and what the answers mean.

The judgements are like those of `provision.hosts.live.checks`; what cannot be asked where the client stands raises
`Unavailable` with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost
from provision.hosts.live.vips import holders
from provision.inventory.frontends import ResolvedFrontend
from provision.prober.record import Advert
from provision.prober.wire import Answer, ByMac, Listen, OnLink, Question, WhoHas

MAX_LISTEN_SECONDS = 5.0
"""Seconds of listening at most, however long the advert interval."""


class Unavailable(Exception):
    """Why the wire has no answer to a question."""


@dataclass(frozen=True)
class WireAnswers:
    """The answers by question; `reason` says why there are none, and `failed` that it is a failure."""

    client: str = ""
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    reason: str = ""
    failed: bool = False

    def answer(self, question: Question) -> Answer:
        """The answer to a question. Raises NotAsked with the reason where there is none."""
        if self.reason:
            raise Unavailable(self.reason)
        found = self.answers.get(question)
        if found is None:
            raise Unavailable(
                "it could not be asked: a host that the question is about was not looked at"
            )
        if found.problem:
            raise Unavailable(f"{self.client}: {found.problem}")
        return found


@dataclass(frozen=True)
class ServerAddress:
    """A real server and an address it must answer for, by itself."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        at = f"[{self.address}]" if ":" in self.address else self.address
        return f"{at}:{self.port}"


def listening(frontends: tuple[ResolvedFrontend, ...]) -> Listen:
    """Long enough for two adverts of every front end."""
    longest = max((frontend.vrrp.interval for frontend in frontends), default=0.2)
    return Listen(min(MAX_LISTEN_SECONDS, 2.2 * longest + 0.2))


def served(frontends: tuple[ResolvedFrontend, ...]) -> tuple[ServerAddress, ...]:
    """Every TCP service of every real server that has the VIP itself: with NAT it has not."""
    found = (
        ServerAddress(server.host, str(address), port)
        for frontend in frontends
        for service in frontend.services
        if service.model.protocol == "tcp"
        for server in service.real_servers
        if service.forward(server) != "nat" and (port := service.port(server))
        for address in service.addresses
    )
    return tuple(dict.fromkeys(found))


def questions(seen: Snapshot) -> tuple[Question, ...]:
    """All that is to be asked, as far as it is known of the hosts that were looked at."""
    frontends = seen.topology.frontends
    asked: list[Question] = [listening(frontends)]
    for vip in seen.vips():
        asked += [WhoHas(vip), OnLink(vip)]
    for one in served(frontends):
        if one.host in seen.lives and (mac := mac_of(seen, one.host)):
            asked += [ByMac(one.address, one.port, mac), OnLink(own_address(seen, one))]
    return tuple(dict.fromkeys(asked))


def mac_of(seen: Snapshot, host: str) -> str:
    """The hardware address of the interface a host faces the clients with, lower case."""
    return seen.lives[host].macs.get(seen.expected(host).interface, "").lower()


def own_address(seen: Snapshot, one: ServerAddress) -> str:
    """The real server's own address, of the family of the VIP where it has one."""
    settings = seen.topology.hosts[one.host]
    return str(settings.address_of(ip_address(one.address).version) or settings.address[0])


def vip_answers(seen: Snapshot, wire: WireAnswers, vip: str) -> Iterator[LiveFinding]:
    """The holder's hardware address, and no other, answers ARP or neighbour solicitations for a VIP.

    Raises NotAsked where the client is not on the VIP's network.
    """
    macs = _on_link(wire, vip, wire.answer(WhoHas(vip))).macs
    held = holders(seen.vips()[vip], seen.lives)[vip]
    right = {mac for host in held for mac in _macs_with(seen.lives[host], vip)}
    for mac in macs:
        if right and mac not in right:
            owner = _owner(seen.lives, mac)
            what = f"{owner or mac} answers for {vip}, and does not hold it"
            why = f"{wire.client} got {', '.join(macs)}; {', '.join(held)} has {', '.join(sorted(right))}"
            fix = (
                "is its arp_ignore 1 on all interfaces?"
                if owner
                else f"which machine has {mac}? take {vip} off it"
            )
            yield LiveFinding("vip_answers", owner, what, why, fix)
    if not macs:
        why = f"{wire.client} asked and got no answer; " + (
            f"{', '.join(held)} has it" if held else "nobody has it"
        )
        yield LiveFinding(
            "vip_answers",
            "",
            f"nobody answers for {vip}",
            why,
            "no client can reach it; see the other checks",
        )


def _on_link(wire: WireAnswers, address: str, answer: Answer) -> Answer:
    if not wire.answer(OnLink(address)).interface:
        raise Unavailable(
            f"{wire.client} reaches {address} through a gateway: only hosts on its network can be asked"
        )
    return answer


def _macs_with(live: LiveHost, vip: str) -> set[str]:
    """The hardware addresses under which a holder has a VIP; several where it is on several interfaces."""
    names = (
        own.interface for own in live.addresses if own.address == vip and own.interface != "lo"
    )
    return {live.macs[name].lower() for name in names if name in live.macs}


def _owner(lives: Mapping[str, LiveHost], mac: str) -> str:
    return next(
        (host for host, live in lives.items() if mac in map(str.lower, live.macs.values())), ""
    )


def serves_vip(seen: Snapshot, wire: WireAnswers, one: ServerAddress) -> Iterator[LiveFinding]:
    """A real server answers a connection to the VIP that is put on the wire to its own hardware address.

    This is what a client's connection is to it once a director has passed it on, and what no check of the server's own
    address sees. Raises NotAsked where it is not on the client's network.
    """
    if one.host not in seen.lives:
        raise Unavailable(f"{one.host} was not looked at")
    own = own_address(seen, one)
    mac = mac_of(seen, one.host)
    answer = _on_link(wire, own, wire.answer(ByMac(one.address, one.port, mac)))
    if answer.reply == "syn-ack":
        return
    if answer.macs:
        who = ", ".join(_owner(seen.lives, other) or other for other in answer.macs)
        why = f"{wire.client} asked {mac} and {who} answered"
        fix = "look at the switch, and at arp_announce there"
        yield LiveFinding(
            "serves_vip", one.host, f"does not answer for {one}: {who} does", why, fix
        )
    elif answer.reply == "rst":
        why = f"{wire.client} got a reset from {mac}: nothing listens there on the VIP"
        fix = f"let the service listen on {one.address} or on any address"
        yield LiveFinding("serves_vip", one.host, f"refuses connections to {one}", why, fix)
    else:
        why = (
            f"{wire.client} got no answer from {mac}: a black hole for every connection it is given"
        )
        fix = "is the VIP on its lo, and does its firewall let it in?"
        yield LiveFinding("serves_vip", one.host, f"does not answer for {one}", why, fix)


def own_vrids(
    seen: Snapshot, wire: WireAnswers, frontend: ResolvedFrontend
) -> Iterator[LiveFinding]:
    """On the wire a front end's VRID is spoken by one of its directors at a time, and by nobody else.

    Raises NotAsked where no advert gets to the client: they are unicast, or it is on another network.
    """
    heard = wire.answer(listening(seen.topology.frontends)).adverts
    vrid = frontend.vrrp.virtual_router_id
    ours = [advert for advert in heard if advert.vrid == vrid]
    if not ours:
        why = (
            "they are unicast"
            if frontend.vrrp.unicast
            else "it is on another network, or its switch keeps them away"
        )
        raise Unavailable(f"no advert of VRID {vrid} gets to {wire.client}: {why}")
    speakers = _speakers(seen, frontend, ours)
    strangers = [source for source, host in speakers.items() if not host]
    for source in strangers:
        what = f"{source}, which is no director of {frontend.name}, advertises VRID {vrid}"
        fix = "give one of the two another `virtual_router_id`: two routers with one take the VIP from each other"
        yield LiveFinding("own_vrids", "", what, _adverts(ours), fix)
    for family in (4, 6):
        hosts = {
            host: ""
            for source, host in speakers.items()
            if host and ip_address(source).version == family
        }
        if len(hosts) > 1:
            what = f"split brain: {' and '.join(sorted(hosts))} both advertise VRID {vrid}"
            fix = "they do not hear each other: look for a filter on protocol 112, and for settings that differ"
            yield LiveFinding("own_vrids", "", what, _adverts(ours), fix)


def _speakers(seen: Snapshot, frontend: ResolvedFrontend, adverts: list[Advert]) -> dict[str, str]:
    """The sources of adverts, and the director each is; empty for one that is none."""
    known: dict[str, str] = {}
    for director in frontend.directors:
        live = seen.lives.get(director.host)
        addresses = [own.address for own in live.addresses] if live else []
        addresses += map(str, seen.topology.hosts[director.host].address)
        known.update(dict.fromkeys(addresses, director.host))
    return {advert.source: known.get(advert.source, "") for advert in adverts}


def _adverts(adverts: list[Advert]) -> str:
    """How many adverts came from where: `12 from 192.168.227.101 (priority 100)`."""
    found: dict[tuple[str, int], int] = {}
    for advert in adverts:
        found[advert.source, advert.priority] = found.get((advert.source, advert.priority), 0) + 1
    return ", ".join(
        f"{count} from {source} (priority {priority})"
        for (source, priority), count in found.items()
    )
