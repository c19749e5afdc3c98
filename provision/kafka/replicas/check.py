"""The state changes between two polls of a cluster, and whether they are legal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State, path


@dataclass(frozen=True)
class Transition:
    """A replica whose state changed; `path` is the shortest legal path, both ends included."""

    replica: Replica
    path: tuple[State, ...]

    @property
    def before(self) -> State:
        """The state at the first poll."""
        return self.path[0]

    @property
    def after(self) -> State:
        """The state at the second poll."""
        return self.path[-1]

    @property
    def legal(self) -> bool:
        """Whether the same replica can have made this transition.

        Polls miss short-lived states, so a transition of several steps is no fault. A path over
        NonExistentReplica is a fault: the replica's log was lost or deleted in between.
        """
        return State.NON_EXISTENT not in self.path[1:-1]

    def __str__(self) -> str:
        text = f"{self.replica}: {self.before} -> {self.after}"
        if self.legal:
            return text
        return (
            f"{text} is no legal transition: "
            "the replica was deleted and created again, or lost its log"
        )


def check(
    before: Mapping[Replica, State],
    after: Mapping[Replica, State],
    machine: ReplicaStateMachine = ReplicaStateMachine.V2_4,
) -> tuple[Transition, ...]:
    """The replicas whose state differs between two polls.

    A replica that is missing in a poll counts as non-existent.
    """
    transitions = []
    for replica in sorted({*before, *after}):
        old = before.get(replica, State.NON_EXISTENT)
        new = after.get(replica, State.NON_EXISTENT)
        if old is not new:
            transitions.append(Transition(replica, path(old, new, machine)))
    return tuple(transitions)
