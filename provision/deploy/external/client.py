"""The program on the client: one exec for a whole rollout, asked around each batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from types import TracebackType

from provision.deploy.external.client_view import (
    ClientView,
    direct_routing_servers,
    services_to_try,
    tries_per_service,
)
from provision.hosts.channel import Channel, Session
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology
from provision.prober import program
from provision.prober.wire import Answer, ByMac, MacOf, OnLink, Question, WhoHas, answer, settings

ANSWER_WINDOW = 0.15
"""Seconds in which every holder of an address answers."""

ServiceTry = tuple[str, int, str | None, str]
"""A service to try: address, port, path (None: only connect) and HTTP host."""


class ClientSession:
    """A client that looks at the front ends of a topology. A context manager.

    `macs` are the hardware addresses of directors and real servers as the client sees them; a host
    that is not on the client's link has none. `unasked` names the addresses whose holder the client
    could not ask for in its last look, with the reason; it is empty if it could ask for all.
    """

    def __init__(self, host: str, channel: Channel, topology: Topology) -> None:
        self.host = host
        self.macs: dict[str, str] = {}
        self.unasked = ""
        self._channel = channel
        self._topology = topology
        self._services = services_to_try(topology)
        self._tries = tries_per_service(topology)
        program.read(channel, host)

    @classmethod
    def open(cls, session: Session, topology: Topology) -> ClientSession:
        """Start the program; one exec. Raises HostError if it cannot run."""
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
        """Whether a VIP is on a network of the client. Raises HostError if the client is lost."""
        answers, _, _ = self._ask([OnLink(vip) for vip in self._vips()], ())
        return any(reply.interface for reply in answers)

    def learn(self) -> None:
        """Find out the hosts' hardware addresses. Raises HostError if the client is lost."""
        addresses = self._topology.addresses()
        answers, _, _ = self._ask([WhoHas(address) for address in addresses.values()], ())
        self.macs = {
            host: reply.macs[0]
            for host, reply in zip(addresses, answers, strict=True)
            if len(reply.macs) == 1
        }

    def look(self, hosts: Sequence[str] = ()) -> ClientView:
        """Look at everything once; the real servers of `hosts` are also asked directly.

        Takes 0.15 s, longer if a service does not answer. Raises HostError if the client is lost.
        """
        vips = self._vips()
        owners = [WhoHas(vip) for vip in vips]
        servers = [
            (host, place)
            for host, _, place in direct_routing_servers(self._topology.frontends)
            if host in hosts and host in self.macs
        ]
        by_mac = [ByMac(*place, self.macs[host]) for host, place in servers]
        first, after, replies = self._ask(
            [*owners, *by_mac], [MacOf(vip) for vip in vips], self._service_tries()
        )
        self.unasked = _unasked(self.host, dict(zip(vips, first, strict=False)))
        places = [(service.address, service.port) for service in self._services]
        return ClientView(
            owners={
                vip: reply.macs
                for vip, reply in zip(vips, first, strict=False)
                if not reply.problem
            },
            believed={
                vip: "".join(reply.macs[:1])
                for vip, reply in zip(vips, after, strict=True)
                if not reply.problem
            },
            replies=dict(zip(places, map(tuple, replies), strict=True)),
            servers={
                server: reply.reply
                for server, reply in zip(servers, first[len(vips) :], strict=True)
                if not reply.problem
            },
        )

    def _vips(self) -> tuple[str, ...]:
        return vips_of(self._topology.frontends)

    def _service_tries(self) -> list[ServiceTry]:
        return [
            (service.address, service.port, service.path, service.host)
            for service in self._services
        ]

    def _ask(
        self,
        questions: Sequence[Question],
        after: Sequence[Question],
        services: Sequence[ServiceTry] = (),
    ) -> tuple[list[Answer], list[Answer], list[list[str]]]:
        """The answers to `questions`, the answers to `after`, and the replies of the services.

        The client asks the questions of `after` once it has tried the services.
        """
        request = {
            "questions": [settings(question) for question in questions],
            "after": [settings(question) for question in after],
            "services": services,
            "tries": self._tries,
            "window": ANSWER_WINDOW,
        }
        self._channel.send(json.dumps(request).encode() + b"\n")
        response = program.read(self._channel, self.host)
        pairs = zip(
            (*questions, *after), chain(response["answers"], response["after"]), strict=True
        )
        answers = [answer(question, result, response) for question, result in pairs]
        return answers[: len(questions)], answers[len(questions) :], response["replies"]


def _unasked(client: str, answers: Mapping[str, Answer]) -> str:
    """The addresses without an answer, grouped by reason: `192.168.227.10 (client: …)`."""
    vips_by_problem: dict[str, list[str]] = {}
    for vip, reply in answers.items():
        if reply.problem:
            vips_by_problem.setdefault(reply.problem, []).append(vip)
    return "; ".join(
        f"{', '.join(vips)} ({client}: {problem})" for problem, vips in vips_by_problem.items()
    )


def vips_of(frontends: Sequence[ResolvedFrontend]) -> tuple[str, ...]:
    """All virtual addresses, without duplicates."""
    return tuple(dict.fromkeys(str(vip.address) for frontend in frontends for vip in frontend.vips))
