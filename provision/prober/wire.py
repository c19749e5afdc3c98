"""Questions to the wire, asked from the client: who has an address, who answers for it, who speaks VRRP."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provision.hosts.channel import Session
from provision.prober import program
from provision.prober.collector import heard
from provision.prober.record import Advert, ArpClaim


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
    """Every VRRP advert and every claim of an address that passes within `seconds`.

    Heard where the addresses of the other questions are; without any, on every Ethernet interface of the client.
    """

    seconds: float


@dataclass(frozen=True)
class OnLink:
    """The interface through which the client reaches `address` without a gateway."""

    address: str


Question = WhoHas | MacOf | ByMac | Listen | OnLink
_KINDS: dict[type, str] = {
    WhoHas: "who-has",
    MacOf: "mac-of",
    ByMac: "by-mac",
    Listen: "listen",
    OnLink: "on-link",
}


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
    claims: tuple[ArpClaim, ...] = ()
    problem: str = ""


def ask(session: Session, questions: Sequence[Question]) -> tuple[Answer, ...]:
    """The answers in the order of the questions, all asked at once by one exec on the client.

    It takes as long as the longest `Listen`, 0.6 s at least. Raises HostError without python3 on the client, without
    the right to raw sockets, or when the connection is lost.
    """
    channel = program.start(
        session, {"task": "ask", "questions": [settings(question) for question in questions]}
    )
    try:
        said = program.read(channel, session.host)
    finally:
        channel.close()
    return tuple(
        answer(question, found, said)
        for question, found in zip(questions, said["answers"], strict=True)
    )


def settings(question: Question) -> dict[str, Any]:
    """A question as the client's program reads it."""
    return {"kind": _KINDS[type(question)], **dataclasses.asdict(question)}


def answer(question: Question, found: Mapping[str, Any], said: Mapping[str, Any]) -> Answer:
    """What the client's program `said`, of which `found` is its answer to `question`."""
    if isinstance(question, Listen):
        adverts, claims = heard(
            line for line in said["heard"] if line[1] <= said["begin"] + question.seconds
        )
        return Answer(question, adverts=adverts, claims=claims, problem=said["problem"])
    macs, reply, interface = (
        tuple(found["macs"]),
        found.get("reply", ""),
        found.get("interface", ""),
    )
    return Answer(question, macs, reply, interface, problem=found.get("problem", ""))
