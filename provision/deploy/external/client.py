"""The client's program that answers a rollout: one exec, asked before the first batch and after each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from types import TracebackType

from provision.deploy.external.client_view import ClientView, direct, tried, tries
from provision.hosts.channel import Channel, Session
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober import program
from provision.prober.wire import Answer, ByMac, MacOf, OnLink, Question, WhoHas, answer, settings

WINDOW = 0.15
"""Seconds in which everybody who holds an address has answered for it."""


class ClientSession:
    """A client that looks at the front ends of a topology. A context manager.

    `macs` are the hardware addresses of directors and real servers as the client sees them; a host is in it only where
    its address is on the client's link. `unasked` says of which addresses it could not ask who answers, and why,
    as of the last look; empty where it could of all.
    """

    def __init__(self, host: str, channel: Channel, topology: Topology) -> None:
        self.host = host
        self.macs: dict[str, str] = {}
        self.unasked = ""
        self._channel = channel
        self._topology = topology
        self._services = tried(topology)
        self._tries = tries(topology)
        program.read(channel, host)

    @classmethod
    def open(cls, session: Session, topology: Topology) -> ClientSession:
        """Start the program; one exec. Raises HostError where it cannot run."""
        return cls(session.host, program.start(session, {"task": "gate"}), topology)

    def __enter__(self) -> ClientSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def on_link(self) -> bool:
        """Whether a VIP is on a network of the client's own. Raises HostError when the client is lost."""
        found = self._ask([OnLink(vip) for vip in self._vips()], ())
        return any(each.interface for each in found[0])

    def learn(self) -> None:
        """Find out the hosts' hardware addresses. Raises HostError when the client is lost."""
        places = self._topology.addresses()
        found = self._ask([WhoHas(address) for address in places.values()], ())[0]
        self.macs = {
            host: each.macs[0]
            for host, each in zip(places, found, strict=True)
            if len(each.macs) == 1
        }

    def look(self, hosts: Sequence[str] = ()) -> ClientView:
        """One look at everything; of real servers, those of `hosts` are asked themselves.

        Takes 0.15 s, longer where a service does not answer. Raises HostError when the client is lost.
        """
        vips = self._vips()
        owners = [WhoHas(vip) for vip in vips]
        asked = [
            one
            for one in direct(self._topology.frontends)
            if one[0] in hosts and one[0] in self.macs
        ]
        by_mac = [ByMac(*place, self.macs[host]) for host, _, place in asked]
        first, after, replies = self._ask(
            [*owners, *by_mac], [MacOf(vip) for vip in vips], self._services_asked()
        )
        self.unasked = _unasked(self.host, dict(zip(vips, first, strict=False)))
        places = [(service.address, service.port) for service in self._services]
        return ClientView(
            owners={
                vip: each.macs for vip, each in zip(vips, first, strict=False) if not each.problem
            },
            believed={
                vip: "".join(each.macs[:1])
                for vip, each in zip(vips, after, strict=True)
                if not each.problem
            },
            replies=dict(zip(places, map(tuple, replies), strict=True)),
            servers={
                (host, place): each.reply
                for (host, _, place), each in zip(asked, first[len(vips) :], strict=True)
                if not each.problem
            },
        )

    def _vips(self) -> tuple[str, ...]:
        return vips_of(self._topology.frontends)

    def _services_asked(self) -> list[tuple[str, int, str | None, str]]:
        return [
            (service.address, service.port, service.path, service.host)
            for service in self._services
        ]

    def _ask(
        self,
        questions: Sequence[Question],
        after: Sequence[Question],
        services: Sequence[tuple[str, int, str | None, str]] = (),
    ) -> tuple[list[Answer], list[Answer], list[list[str]]]:
        order = {
            "questions": [settings(question) for question in questions],
            "after": [settings(question) for question in after],
            "services": services,
            "tries": self._tries,
            "window": WINDOW,
        }
        self._channel.send(json.dumps(order).encode() + b"\n")
        said = program.read(self._channel, self.host)
        pairs = zip((*questions, *after), chain(said["answers"], said["after"]), strict=True)
        answers = [answer(question, found, said) for question, found in pairs]
        return answers[: len(questions)], answers[len(questions) :], said["replies"]


def _unasked(client: str, answers: Mapping[str, Answer]) -> str:
    """The addresses with the same reason together: `192.168.227.10 (client: …)`."""
    found: dict[str, list[str]] = {}
    for vip, each in answers.items():
        if each.problem:
            found.setdefault(each.problem, []).append(vip)
    return "; ".join(f"{', '.join(vips)} ({client}: {problem})" for problem, vips in found.items())


def vips_of(frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
    """Every virtual address, each once."""
    return tuple(dict.fromkeys(str(vip.address) for frontend in frontends for vip in frontend.vips))
