"""Questions to the wire, asked from the client: who has an address, who answers for it, who speaks VRRP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from provision.prober.record import Advert, Claim
from provision.remote.channel import Session


@dataclass(frozen=True)
class WhoHas:
    """Every MAC that answers an ARP request (RFC 826) or neighbour solicitation (RFC 4861 §7.2) for `address`."""

    address: str


@dataclass(frozen=True)
class MacOf:
    """The MAC under which the client's own neighbour table has `address`: where it really sends to now."""

    address: str


@dataclass(frozen=True)
class ByMac:
    """What the host with `mac` says to a connection to `address`, put on the wire past ARP and the directors."""

    address: str
    port: int
    mac: str


@dataclass(frozen=True)
class Listen:
    """Every VRRP advert and every claim of an address that passes within `seconds`."""

    seconds: float


@dataclass(frozen=True)
class OnLink:
    """The interface through which the client reaches `address` without a gateway."""

    address: str


Question = WhoHas | MacOf | ByMac | Listen | OnLink


@dataclass(frozen=True)
class Answer:
    """What the wire said to `question`.

    `macs` are the answers to WhoHas and MacOf, lower case, none when nobody answered; for ByMac, who answered in the
    place of the host asked. `reply` is ByMac's: `syn-ack`, `rst` or `silent`. `interface` is OnLink's, empty where a
    gateway is between. `problem` says why a question could not be asked, such as an address that is not on the link;
    nothing else means anything then.
    """

    question: Question
    macs: tuple[str, ...] = ()
    reply: str = ""
    interface: str = ""
    adverts: tuple[Advert, ...] = ()
    claims: tuple[Claim, ...] = ()
    problem: str = ""


def ask(session: Session, questions: Sequence[Question]) -> tuple[Answer, ...]:
    """The answers in the order of the questions, all asked at once by one exec on the client.

    It takes as long as the longest `Listen`, 0.6 s at least. Raises HostError without python3 on the client, without
    the right to raw sockets, or when the connection is lost.
    """
    raise NotImplementedError
