"""The seven states of a replica and the steps that lead from one to another, by version. Pure.

Source: kafka.controller.ReplicaStateMachine and its `validPreviousStates` at 1.0.2, 2.3.0, 2.4.0 and 3.9.1. In KRaft no
such machine drives replicas: there the states are derived (`derive.py`) and the steps are those of the last version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum, StrEnum


class State(StrEnum):
    """A replica's state, named as the controller names it in its log."""

    NEW = "NewReplica"
    ONLINE = "OnlineReplica"
    OFFLINE = "OfflineReplica"
    DELETION_STARTED = "ReplicaDeletionStarted"
    DELETION_SUCCESSFUL = "ReplicaDeletionSuccessful"
    DELETION_INELIGIBLE = "ReplicaDeletionIneligible"
    NON_EXISTENT = "NonExistentReplica"


class ReplicaStateMachine(Enum):
    """The versions at which the machine changed; each holds until the next."""

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
    """The machine of a broker of `version`, such as `(3, 9, 1)`; of one older than 1.0 the oldest known."""
    if version >= (2, 4):
        return ReplicaStateMachine.V2_4
    return ReplicaStateMachine.V2_3 if version >= (2, 3) else ReplicaStateMachine.V1_0


def predecessors(
    state: State, of: ReplicaStateMachine = ReplicaStateMachine.V2_4
) -> frozenset[State]:
    """The states from which one step leads to `state`."""
    return _PREDECESSORS[of][state]


def legal(before: State, after: State, of: ReplicaStateMachine = ReplicaStateMachine.V2_4) -> bool:
    """Whether one step may lead from `before` to `after`; staying is a step only where the machine has it."""
    return before in predecessors(after, of)


def path(
    before: State, after: State, of: ReplicaStateMachine = ReplicaStateMachine.V2_4
) -> tuple[State, ...]:
    """The states of the shortest legal way, both ends included; there is always one, since every state can be left."""
    came_from: dict[State, State] = {}
    waiting = deque([before])
    while after not in came_from:
        here = waiting.popleft()
        for state in State:
            if state not in came_from and legal(here, state, of):
                came_from[state] = here
                waiting.append(state)
    way = [after, came_from[after]]
    while way[-1] is not before:
        way.append(came_from[way[-1]])
    return tuple(reversed(way))


def at_startup(alive: bool, of: ReplicaStateMachine = ReplicaStateMachine.V2_4) -> State:
    """The state of a replica once a newly elected controller has started its machine.

    `initializeReplicaState` takes a dead replica for one whose deletion failed, lest a topic be half deleted; from
    2.4.0 on `startup` then moves it on to offline.
    """
    if alive:
        return State.ONLINE
    return State.OFFLINE if of is ReplicaStateMachine.V2_4 else State.DELETION_INELIGIBLE
