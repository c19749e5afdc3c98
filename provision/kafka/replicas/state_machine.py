"""The seven states of a replica and the legal transitions between them, by version. Pure.

Source: kafka.controller.ReplicaStateMachine and its `validPreviousStates` at 1.0.2, 2.3.0, 2.4.0
and 3.9.1. KRaft has no such state machine: `derive.py` derives the states, and the transitions are
those of the last version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum, StrEnum


class State(StrEnum):
    """A replica's state, with its name in the controller's log."""

    NEW = "NewReplica"
    ONLINE = "OnlineReplica"
    OFFLINE = "OfflineReplica"
    DELETION_STARTED = "ReplicaDeletionStarted"
    DELETION_SUCCESSFUL = "ReplicaDeletionSuccessful"
    DELETION_INELIGIBLE = "ReplicaDeletionIneligible"
    NON_EXISTENT = "NonExistentReplica"


class ReplicaStateMachine(Enum):
    """The versions of Kafka that changed the state machine; each holds until the next."""

    V1_0 = "1.0"
    V2_3 = "2.3"
    V2_4 = "2.4"


Predecessors = Mapping[State, frozenset[State]]

_SERVED = frozenset({State.NEW, State.ONLINE, State.OFFLINE, State.DELETION_INELIGIBLE})
_V1_0: Predecessors = {
    State.NEW: frozenset({State.NON_EXISTENT}),
    State.ONLINE: _SERVED,
    State.OFFLINE: _SERVED,
    State.DELETION_STARTED: frozenset({State.OFFLINE}),
    State.DELETION_SUCCESSFUL: frozenset({State.DELETION_STARTED}),
    State.DELETION_INELIGIBLE: frozenset({State.DELETION_STARTED}),
    State.NON_EXISTENT: frozenset({State.DELETION_SUCCESSFUL}),
}
_V2_3: Predecessors = {
    **_V1_0,
    State.DELETION_INELIGIBLE: frozenset({State.OFFLINE, State.DELETION_STARTED}),
}
_PREDECESSORS = {
    ReplicaStateMachine.V1_0: _V1_0,
    ReplicaStateMachine.V2_3: _V2_3,
    ReplicaStateMachine.V2_4: _V2_3,
}


def machine(version: tuple[int, ...]) -> ReplicaStateMachine:
    """The state machine of a broker of `version`, such as `(3, 9, 1)`; the oldest before 1.0."""
    if version >= (2, 4):
        return ReplicaStateMachine.V2_4
    return ReplicaStateMachine.V2_3 if version >= (2, 3) else ReplicaStateMachine.V1_0


def predecessors(
    state: State, machine: ReplicaStateMachine = ReplicaStateMachine.V2_4
) -> frozenset[State]:
    """The states from which a single transition leads to `state`."""
    return _PREDECESSORS[machine][state]


def legal(
    before: State, after: State, machine: ReplicaStateMachine = ReplicaStateMachine.V2_4
) -> bool:
    """Whether the machine has the transition from `before` to `after`.

    Staying in a state is a transition, too; only some states have it.
    """
    return before in predecessors(after, machine)


def path(
    before: State, after: State, machine: ReplicaStateMachine = ReplicaStateMachine.V2_4
) -> tuple[State, ...]:
    """The states of the shortest legal path, both ends included.

    There is always a path, since every state can be left.
    """
    previous: dict[State, State] = {}
    queue = deque([before])
    while after not in previous:
        current = queue.popleft()
        for state in State:
            if state not in previous and legal(current, state, machine):
                previous[state] = current
                queue.append(state)
    backwards = [after, previous[after]]
    while backwards[-1] is not before:
        backwards.append(previous[backwards[-1]])
    return tuple(reversed(backwards))


def at_startup(alive: bool, machine: ReplicaStateMachine = ReplicaStateMachine.V2_4) -> State:
    """The state of a replica once a newly elected controller has started its state machine.

    `initializeReplicaState` treats a replica on a dead broker as one whose deletion failed, so that
    no topic is left half deleted. From 2.4.0 on `startup` then moves it to offline.
    """
    if alive:
        return State.ONLINE
    return State.OFFLINE if machine is ReplicaStateMachine.V2_4 else State.DELETION_INELIGIBLE
