"""Network queries from the client: owners of an address, answers of a MAC, and VRRP adverts."""

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
    """The MACs that answer ARP (RFC 826) or neighbour solicitation (RFC 4861 §7.2)."""

    address: str


@dataclass(frozen=True)
class MacOf:
    """The MAC of `address` in the client's neighbour table: the client sends its packets there."""

    address: str


@dataclass(frozen=True)
class ByMac:
    """The answer of the host with `mac` to a SYN for `address`, sent past ARP and the directors."""

    address: str
    port: int
    mac: str


@dataclass(frozen=True)
class Listen:
    """The VRRP adverts and address claims of the next `seconds`.

    The client listens on the interfaces of the other questions' addresses, else on all its Ethernet
    interfaces.
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
    """The answer to `question`.

    `macs` are the MACs of WhoHas and MacOf in lower case, empty without an answer. For ByMac they
    are the MACs of other hosts that answered. `reply` is the answer of ByMac: `syn-ack`, `rst` or
    `silent`. `interface` is the answer of OnLink, empty behind a gateway. `problem` is the reason
    why a question could not be asked, such as an address that is not on the link. The other fields
    have no meaning then.
    """

    question: Question
    macs: tuple[str, ...] = ()
    reply: str = ""
    interface: str = ""
    adverts: tuple[Advert, ...] = ()
    claims: tuple[ArpClaim, ...] = ()
    problem: str = ""


def ask(session: Session, questions: Sequence[Question]) -> tuple[Answer, ...]:
    """Ask all questions at once, by one exec on the client. Return the answers in their order.

    It takes as long as the longest `Listen`, and at least 0.6 s.

    Raises:
        HostError: the client has no python3 or no right to raw sockets, or the connection is lost.
    """
    channel = program.start(
        session, {"task": "ask", "questions": [settings(question) for question in questions]}
    )
    try:
        output = program.read(channel, session.host)
    finally:
        channel.close()
    return tuple(
        answer(question, fields, output)
        for question, fields in zip(questions, output["answers"], strict=True)
    )


def settings(question: Question) -> dict[str, Any]:
    """Return a question as the client's program reads it."""
    return {"kind": _KINDS[type(question)], **dataclasses.asdict(question)}


def answer(question: Question, fields: Mapping[str, Any], output: Mapping[str, Any]) -> Answer:
    """Return the answer to `question` from its `fields` in the client's whole `output`."""
    if isinstance(question, Listen):
        adverts, claims = heard(
            line for line in output["heard"] if line[1] <= output["begin"] + question.seconds
        )
        return Answer(question, adverts=adverts, claims=claims, problem=output["problem"])
    return Answer(
        question,
        tuple(fields["macs"]),
        fields.get("reply", ""),
        fields.get("interface", ""),
        problem=fields.get("problem", ""),
    )
