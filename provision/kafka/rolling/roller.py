"""The course of a roll: node after node down and up again, and where each of them got to."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from provision.core.errors import HostError
from provision.core.events import Events
from provision.hosts.agent.locked_host import UNIT, LockedHost
from provision.inventory.kafka import KafkaNode
from provision.kafka.rolling.poller import AT_FIRST, BACK, WHOLE, Poller
from provision.kafka.rolling.safety import next_node

LATER = "`hactl kafka roll` goes on with it"


class DrainPort(Protocol):
    """Whoever sends brokers connections; each method raises HostError where a director does not do as told."""

    ours: frozenset[str]

    def refusal(self, host: str) -> str:
        """Why it must not be drained now; empty where it may."""

    def drain(self, host: str) -> None:
        """No new connections for it."""

    def give_back(self, host: str) -> None:
        """New connections again, where a roll drained it."""


@dataclass(frozen=True)
class NodeResult:
    """Where a node got to: `outcome` is rolled, untouched or stopped; `seconds` from the gate to the last step."""

    host: str
    id: int
    outcome: str
    seconds: float = 0.0
    message: str = ""

    def json(self) -> dict[str, Any]:
        """The node's entry in `roll --json`."""
        entry = {
            "host": self.host,
            "id": self.id,
            "outcome": self.outcome,
            "seconds": round(self.seconds, 1),
        }
        return {**entry, "message": self.message} if self.message else entry


class RollPhase(Enum):
    """How far the node at hand has got; what is said of it should the roll end there."""

    GATE = ""
    DRAINED = "not restarted"
    AWAY = "it does not serve again"
    BEHIND = "it serves, and is not in sync"
    WHOLE = "it is in sync, and could not be given back"


class _Halt(Exception):
    """The roll cannot go on with the node at hand, and why."""


class Roller:
    """Takes nodes down and up, one at a time; `hosts` are all nodes' hosts, locked, and `done` what was rolled before.

    `fates` says at any time where each node is. `interrupted` tells of a Ctrl-C.
    """

    def __init__(
        self,
        sight: Poller,
        hosts: Mapping[str, LockedHost],
        drains: DrainPort,
        events: Events,
        done: Collection[str] = (),
    ) -> None:
        self.fates = {node.host: _beginning(node, node.host in done) for node in sight.nodes}
        self.interrupted = False
        self._sight = sight
        self._hosts = hosts
        self._drains = drains
        self._events = events
        self._patience = WHOLE if done else AT_FIRST
        self._stage = RollPhase.GATE

    def run(self, todo: Sequence[KafkaNode], left: Sequence[KafkaNode] = ()) -> bool:
        """Give back those `left` drained by a roll before, then take the others; whether all went well.

        Never raises for a node's failure, nor for Ctrl-C: `fates` tells.
        """
        try:
            return self._go(list(todo), left)
        except KeyboardInterrupt:  # between two nodes
            self.interrupted = True
            return False

    def _go(self, waiting: list[KafkaNode], left: Sequence[KafkaNode]) -> bool:
        for node in left:
            if not self._attempt(node, self._resume):
                return False
        while waiting:
            node = self._next(waiting)
            if not self._attempt(node, self._take):
                return False
            waiting.remove(node)
        return True

    def _next(self, waiting: Sequence[KafkaNode]) -> KafkaNode:
        """The next one; any of them where the cluster does not answer: its gate waits for that."""
        try:
            return next_node(self._sight.look(), waiting)
        except HostError:
            return waiting[0]

    def _attempt(self, node: KafkaNode, act: Callable[[KafkaNode], None]) -> bool:
        began, why = time.monotonic(), ""
        try:
            act(node)
        except _Halt as halt:
            why = str(halt)
        except HostError as error:
            why = error.line()
        except KeyboardInterrupt:
            self.interrupted, why = True, "interrupted"
        outcome, message = (
            ("rolled", self.fates[node.host].message) if not why else self._ended(node, why)
        )
        self.fates[node.host] = NodeResult(
            node.host, node.id, outcome, time.monotonic() - began, message
        )
        self._events.host(node.host, outcome)
        return not why

    def _ended(self, node: KafkaNode, why: str) -> tuple[str, str]:
        """What becomes of a node at which the roll ends. One that was not restarted gets its connections back."""
        if self._stage is RollPhase.DRAINED:
            with suppress(HostError):
                self._drains.give_back(node.host)
        drained = f"; it stays drained: {LATER}" if node.host in self._drains.ours else ""
        text = f"{self._stage.value}: {why}" if self._stage.value else why
        return (
            "untouched" if self._stage in (RollPhase.GATE, RollPhase.DRAINED) else "stopped"
        ), text + drained

    def _take(self, node: KafkaNode) -> None:
        """Gate, drain, restart, and back."""
        self._stage = RollPhase.GATE
        if self._hosts[node.host].look().active:
            self._must(self._sight.may_go(node, self._patience))
            self._must(
                self._sight.wait_until_clear(
                    lambda _: self._refusal(node), self._patience, node.host
                )
            )
        self._patience = WHOLE
        self._stage = RollPhase.DRAINED
        self._drains.drain(node.host)
        self._stage = RollPhase.AWAY
        self._events.host(node.host, "restarting")
        self._hosts[node.host].restart()
        self._return(node)

    def _resume(self, node: KafkaNode) -> None:
        """What is left to do for one that a roll before has restarted, if it runs."""
        self._stage = RollPhase.AWAY
        if not self._hosts[node.host].look().active:
            self._must([f"{UNIT} does not run on {node.host}"])
        self._return(node)

    def _return(self, node: KafkaNode) -> None:
        """Serving, in sync, and given back."""
        self._stage = RollPhase.AWAY
        if found := self._sight.back(node, BACK):
            self._must((*found, f"`journalctl -u {UNIT}` on {node.host} tells more"))
        self._stage = RollPhase.BEHIND
        self._must(self._sight.whole(node, WHOLE))
        self._stage = RollPhase.WHOLE
        self._drains.give_back(node.host)

    def _refusal(self, node: KafkaNode) -> tuple[str, ...]:
        why = self._drains.refusal(node.host)
        return (why,) if why else ()

    def _must(self, found: Sequence[str]) -> None:
        """Go on only where nothing was found."""
        if found:
            raise _Halt("\n".join(found))


def _beginning(node: KafkaNode, done: bool) -> NodeResult:
    return NodeResult(
        node.host,
        node.id,
        "rolled" if done else "untouched",
        message="by the roll before" if done else "",
    )
