"""The client's questions to the network, and the checks of the answers.

The checks are like those of `provision.hosts.live.checks`. A check without an answer raises
`Unavailable` with the reason: the client may be on another network, for example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from provision.formats import endpoint
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost
from provision.hosts.live.vips import holders
from provision.inventory.frontends import ResolvedFrontend
from provision.prober.record import Advert
from provision.prober.wire import Answer, ByMac, Listen, OnLink, Question, WhoHas

MAX_LISTEN_SECONDS = 5.0
"""The longest time of listening for adverts, in seconds."""


class Unavailable(Exception):
    """The reason why a question has no answer."""


@dataclass(frozen=True)
class WireAnswers:
    """The answers by question. `reason` is why there are none, `failed` whether that fails."""

    client: str = ""
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    reason: str = ""
    failed: bool = False

    def answer(self, question: Question) -> Answer:
        """The answer to a question.

        Raises:
            Unavailable: there is no answer.
        """
        if self.reason:
            raise Unavailable(self.reason)
        answer = self.answers.get(question)
        if answer is None:
            raise Unavailable("the question was not sent: its host was not inspected")
        if answer.problem:
            raise Unavailable(f"{self.client}: {answer.problem}")
        return answer


@dataclass(frozen=True)
class ServerAddress:
    """A real server, and the address and port of a service that it must answer for itself."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return endpoint.join(self.address, self.port)


def listening(frontends: tuple[ResolvedFrontend, ...]) -> Listen:
    """The question that listens long enough for two adverts of every front end."""
    longest = max((frontend.vrrp.interval for frontend in frontends), default=0.2)
    return Listen(min(MAX_LISTEN_SECONDS, 2.2 * longest + 0.2))


def served(frontends: tuple[ResolvedFrontend, ...]) -> tuple[ServerAddress, ...]:
    """Every TCP service of every real server that has the VIP itself: not with NAT."""
    addresses = (
        ServerAddress(server.host, str(address), port)
        for frontend in frontends
        for service in frontend.services
        if service.model.protocol == "tcp"
        for server in service.real_servers
        if service.forward(server) != "nat" and (port := service.port(server))
        for address in service.addresses
    )
    return tuple(dict.fromkeys(addresses))


def questions(seen: Snapshot) -> tuple[Question, ...]:
    """All questions; those about a real server need its inspection."""
    frontends = seen.topology.frontends
    result: list[Question] = [listening(frontends)]
    for vip in seen.vips():
        result += [WhoHas(vip), OnLink(vip)]
    for service in served(frontends):
        if service.host in seen.lives and (mac := mac_of(seen, service.host)):
            result += [ByMac(service.address, service.port, mac)]
            result += [OnLink(own_address(seen, service))]
    return tuple(dict.fromkeys(result))


def mac_of(seen: Snapshot, host: str) -> str:
    """The hardware address, in lower case, of the interface that a host has towards the clients."""
    return seen.lives[host].macs.get(seen.expected(host).interface, "").lower()


def own_address(seen: Snapshot, service: ServerAddress) -> str:
    """The real server's own address, in the family of the VIP where it has such an address."""
    settings = seen.topology.hosts[service.host]
    return str(settings.address_of(ip_address(service.address).version) or settings.address[0])


def vip_answers(seen: Snapshot, wire: WireAnswers, vip: str) -> Iterator[LiveFinding]:
    """Only the holder's hardware address answers ARP or neighbour solicitations for a VIP.

    Raises:
        Unavailable: the client is not on the VIP's network.
    """
    macs = _on_link(wire, vip, wire.answer(WhoHas(vip))).macs
    hosts = holders(seen.vips()[vip], seen.lives)[vip]
    right = {mac for host in hosts for mac in _macs_with(seen.lives[host], vip)}
    for mac in macs:
        if right and mac not in right:
            owner = _owner(seen.lives, mac)
            holder = f"{', '.join(hosts)} has {', '.join(sorted(right))}"
            yield LiveFinding(
                "vip_answers",
                owner,
                f"{owner or mac} answers for {vip}, and does not hold it",
                f"{wire.client} got {', '.join(macs)}; {holder}",
                "is its arp_ignore 1 on all interfaces?"
                if owner
                else f"which machine has {mac}? remove {vip} from it",
            )
    if not macs:
        holder = f"{', '.join(hosts)} has it" if hosts else "no host has it"
        yield LiveFinding(
            "vip_answers",
            "",
            f"nobody answers for {vip}",
            f"{wire.client} got no answer to its request; {holder}",
            "no client can reach it; see the other checks",
        )


def _on_link(wire: WireAnswers, address: str, answer: Answer) -> Answer:
    """The answer, where the client reaches the address without a gateway.

    Raises:
        Unavailable: there is a gateway.
    """
    if not wire.answer(OnLink(address)).interface:
        raise Unavailable(
            f"{wire.client} reaches {address} through a gateway: "
            "it can check only hosts on its own network"
        )
    return answer


def _macs_with(live: LiveHost, vip: str) -> set[str]:
    """The hardware addresses of the interfaces on which a holder has a VIP."""
    names = (
        address.interface
        for address in live.addresses
        if address.address == vip and address.interface != "lo"
    )
    return {live.macs[name].lower() for name in names if name in live.macs}


def _owner(lives: Mapping[str, LiveHost], mac: str) -> str:
    """The host with a hardware address; empty where no inspected host has it."""
    return next(
        (host for host, live in lives.items() if mac in map(str.lower, live.macs.values())), ""
    )


def serves_vip(seen: Snapshot, wire: WireAnswers, service: ServerAddress) -> Iterator[LiveFinding]:
    """A real server answers a connection to the VIP that is sent to its own hardware address.

    A connection that a director forwards reaches the real server in this form. No check of the
    server's own address covers it.

    Raises:
        Unavailable: the real server is not on the client's network, or was not inspected.
    """
    if service.host not in seen.lives:
        raise Unavailable(f"{service.host} was not inspected")
    mac = mac_of(seen, service.host)
    question = ByMac(service.address, service.port, mac)
    answer = _on_link(wire, own_address(seen, service), wire.answer(question))
    if answer.reply == "syn-ack":
        return
    if answer.macs:
        others = ", ".join(_owner(seen.lives, other) or other for other in answer.macs)
        symptom = f"does not answer for {service}: {others} does"
        cause = f"{wire.client} sent a request to {mac} and {others} answered"
        fix = "check the switch, and arp_announce there"
    elif answer.reply == "rst":
        symptom = f"refuses connections to {service}"
        cause = f"{wire.client} got a reset from {mac}: nothing listens there on the VIP"
        fix = f"let the service listen on {service.address} or on any address"
    else:
        symptom = f"does not answer for {service}"
        cause = f"{wire.client} got no answer from {mac}: every forwarded connection is lost"
        fix = "is the VIP on its lo, and does its firewall accept the connection?"
    yield LiveFinding("serves_vip", service.host, symptom, cause, fix)


def own_vrids(
    seen: Snapshot, wire: WireAnswers, frontend: ResolvedFrontend
) -> Iterator[LiveFinding]:
    """Only one director at a time advertises a front end's VRID, and no other machine does.

    Raises:
        Unavailable: no advert reaches the client: adverts are unicast, or it is on another network.
    """
    heard = wire.answer(listening(seen.topology.frontends)).adverts
    vrid = frontend.vrrp.virtual_router_id
    ours = [advert for advert in heard if advert.vrid == vrid]
    if not ours:
        filtered = "it is on another network, or its switch filters them"
        cause = "they are unicast" if frontend.vrrp.unicast else filtered
        raise Unavailable(f"no advert of VRID {vrid} reaches {wire.client}: {cause}")
    speakers = _speakers(seen, frontend, ours)
    for source in (source for source, host in speakers.items() if not host):
        yield LiveFinding(
            "own_vrids",
            "",
            f"{source}, which is no director of {frontend.name}, advertises VRID {vrid}",
            _counts(ours),
            "change the `virtual_router_id` of one of them: "
            "two routers with the same VRID take the VIP from each other",
        )
    for family in (4, 6):
        hosts = {
            host: ""
            for source, host in speakers.items()
            if host and ip_address(source).version == family
        }
        if len(hosts) > 1:
            yield LiveFinding(
                "own_vrids",
                "",
                f"split brain: {' and '.join(sorted(hosts))} both advertise VRID {vrid}",
                _counts(ours),
                "they do not hear each other: "
                "look for a filter on protocol 112, and for different settings",
            )


def _speakers(seen: Snapshot, frontend: ResolvedFrontend, adverts: list[Advert]) -> dict[str, str]:
    """The director of each source address; empty for a source that is no director."""
    hosts: dict[str, str] = {}
    for director in frontend.directors:
        live = seen.lives.get(director.host)
        addresses = [address.address for address in live.addresses] if live else []
        addresses += map(str, seen.topology.hosts[director.host].address)
        hosts.update(dict.fromkeys(addresses, director.host))
    return {advert.source: hosts.get(advert.source, "") for advert in adverts}


def _counts(adverts: list[Advert]) -> str:
    """The number of adverts of each source: `12 from 192.168.227.101 (priority 100)`."""
    counts = Counter((advert.source, advert.priority) for advert in adverts)
    return ", ".join(
        f"{count} from {source} (priority {priority})"
        for (source, priority), count in counts.items()
    )
