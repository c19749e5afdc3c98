"""What changed between two looks, and whether it can have changed like that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State, path


@dataclass(frozen=True)
class Transition:
    """A replica that is in another state than before, and the shortest legal way there, both ends included."""

    replica: Replica
    way: tuple[State, ...]

    @property
    def before(self) -> State:
        """The state at the first look."""
        return self.way[0]

    @property
    def after(self) -> State:
        """The state at the second look."""
        return self.way[-1]

    @property
    def legal(self) -> bool:
        """Whether the replica can have got there as the same one.

        Looks miss states that pass quickly, so a step that the machine does not have is no fault by itself. One that
        only a replica which ceased to exist in between can have made is: its log was lost or thrown away.
        """
        return State.NON_EXISTENT not in self.way[1:-1]

    def __str__(self) -> str:
        text = f"{self.replica}: {self.before} -> {self.after}"
        if self.legal:
            return text
        return (
            f"{text} is no legal transition: the replica was deleted and made anew, or lost its log"
        )


def check(
    before: Mapping[Replica, State],
    after: Mapping[Replica, State],
    of: ReplicaStateMachine = ReplicaStateMachine.V2_4,
) -> tuple[Transition, ...]:
    """Every replica whose state differs between the two looks; what a look does not name does not exist in it."""
    found = []
    for replica in sorted({*before, *after}):
        old = before.get(replica, State.NON_EXISTENT)
        new = after.get(replica, State.NON_EXISTENT)
        if old is not new:
            found.append(Transition(replica, path(old, new, of)))
    return tuple(found)
