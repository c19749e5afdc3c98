"""A roll: restarts the nodes one at a time, and records the result of every node."""

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
from provision.kafka.rolling.poller import (
    FIRST_NODE_TIMEOUT,
    READY_TIMEOUT,
    SYNC_TIMEOUT,
    ClusterPoller,
)
from provision.kafka.rolling.safety import next_node

RESUME_HINT = "`hactl kafka roll` resumes it"


class DrainPort(Protocol):
    """The directors in front of the brokers; every method raises HostError if a director fails."""

    drained_by_roll: frozenset[str]

    def refusal(self, host: str) -> str:
        """Return why the host must not be drained now; empty if it may."""

    def drain(self, host: str) -> None:
        """Send the host no new connections."""

    def undrain(self, host: str) -> None:
        """Send new connections again to a host that a roll drained."""


@dataclass(frozen=True)
class NodeResult:
    """The result of a node: `outcome` is rolled, untouched or stopped.

    `seconds` counts from the first safety check to the last step.
    """

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
    """The phase of the current node; the value is the message if the roll ends in that phase."""

    GATE = ""
    DRAINED = "not restarted"
    RESTARTED = "it does not serve again"
    SERVING = "it serves, but is not in sync"
    IN_SYNC = "it is in sync, but could not be undrained"


class _RollFailure(Exception):
    """The roll cannot continue with the current node; the message says why."""


class Roller:
    """Restarts nodes one at a time. `hosts` are the locked hosts of all nodes.

    `done` are the hosts that an earlier, interrupted roll has restarted. `results` has the current
    result of every node. `interrupted` is set after Ctrl-C.
    """

    def __init__(
        self,
        poller: ClusterPoller,
        hosts: Mapping[str, LockedHost],
        drains: DrainPort,
        events: Events,
        done: Collection[str] = (),
    ) -> None:
        self.results = {node.host: _first_result(node, node.host in done) for node in poller.nodes}
        self.interrupted = False
        self._poller = poller
        self._hosts = hosts
        self._drains = drains
        self._events = events
        self._timeout = SYNC_TIMEOUT if done else FIRST_NODE_TIMEOUT
        self._phase = RollPhase.GATE

    def run(self, todo: Sequence[KafkaNode], drained: Sequence[KafkaNode] = ()) -> bool:
        """Undrain the nodes that an earlier roll left `drained`, then roll `todo`.

        Returns whether all nodes succeeded. Raises nothing for a node's failure or Ctrl-C:
        `results` has them.
        """
        try:
            return self._run_all(list(todo), drained)
        except KeyboardInterrupt:  # between two nodes
            self.interrupted = True
            return False

    def _run_all(self, waiting: list[KafkaNode], drained: Sequence[KafkaNode]) -> bool:
        for node in drained:
            if not self._process(node, self._resume):
                return False
        while waiting:
            node = self._next(waiting)
            if not self._process(node, self._roll):
                return False
            waiting.remove(node)
        return True

    def _next(self, waiting: Sequence[KafkaNode]) -> KafkaNode:
        """Return the next node; any node if the cluster does not answer: `_roll` waits for it."""
        try:
            return next_node(self._poller.look(), waiting)
        except HostError:
            return waiting[0]

    def _process(self, node: KafkaNode, act: Callable[[KafkaNode], None]) -> bool:
        began, reason = time.monotonic(), ""
        try:
            act(node)
        except _RollFailure as failure:
            reason = str(failure)
        except HostError as error:
            reason = error.line()
        except KeyboardInterrupt:
            self.interrupted, reason = True, "interrupted"
        outcome, message = (
            ("rolled", self.results[node.host].message)
            if not reason
            else self._failure(node, reason)
        )
        self.results[node.host] = NodeResult(
            node.host, node.id, outcome, time.monotonic() - began, message
        )
        self._events.host(node.host, outcome)
        return not reason

    def _failure(self, node: KafkaNode, reason: str) -> tuple[str, str]:
        """Return outcome and message of a node that fails; undrain it if it was not restarted."""
        if self._phase is RollPhase.DRAINED:
            with suppress(HostError):
                self._drains.undrain(node.host)
        drain_note = (
            f"; it stays drained: {RESUME_HINT}"
            if node.host in self._drains.drained_by_roll
            else ""
        )
        text = f"{self._phase.value}: {reason}" if self._phase.value else reason
        untouched = self._phase in (RollPhase.GATE, RollPhase.DRAINED)
        return "untouched" if untouched else "stopped", text + drain_note

    def _roll(self, node: KafkaNode) -> None:
        """Wait until the node may stop, then drain, restart and undrain it."""
        self._phase = RollPhase.GATE
        if self._hosts[node.host].look().active:
            self._require(self._poller.wait_until_safe(node, self._timeout))
            self._require(
                self._poller.wait_until_clear(
                    lambda _: self._refusal(node), self._timeout, node.host
                )
            )
        self._timeout = SYNC_TIMEOUT
        self._phase = RollPhase.DRAINED
        self._drains.drain(node.host)
        self._phase = RollPhase.RESTARTED
        self._events.host(node.host, "restarting")
        self._hosts[node.host].restart()
        self._finish(node)

    def _resume(self, node: KafkaNode) -> None:
        """Finish a node that an earlier roll restarted, if it runs."""
        self._phase = RollPhase.RESTARTED
        if not self._hosts[node.host].look().active:
            self._require([f"{UNIT} does not run on {node.host}"])
        self._finish(node)

    def _finish(self, node: KafkaNode) -> None:
        """Wait until the node serves and is in sync, then undrain it."""
        self._phase = RollPhase.RESTARTED
        if problems := self._poller.wait_until_ready(node, READY_TIMEOUT):
            self._require((*problems, f"see `journalctl -u {UNIT}` on {node.host}"))
        self._phase = RollPhase.SERVING
        self._require(self._poller.wait_until_in_sync(node, SYNC_TIMEOUT))
        self._phase = RollPhase.IN_SYNC
        self._drains.undrain(node.host)

    def _refusal(self, node: KafkaNode) -> tuple[str, ...]:
        reason = self._drains.refusal(node.host)
        return (reason,) if reason else ()

    def _require(self, problems: Sequence[str]) -> None:
        """Raise if there are problems."""
        if problems:
            raise _RollFailure("\n".join(problems))


def _first_result(node: KafkaNode, done: bool) -> NodeResult:
    return NodeResult(
        node.host,
        node.id,
        "rolled" if done else "untouched",
        message="by the earlier roll" if done else "",
    )
