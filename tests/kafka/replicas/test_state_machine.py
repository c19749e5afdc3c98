"""The state machine: only the listed predecessors are legal, and properties of all paths."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.replicas.state_machine import (
    ReplicaStateMachine,
    State,
    at_startup,
    legal,
    machine,
    path,
)

states = st.sampled_from(State)
machines = st.sampled_from(ReplicaStateMachine)

PREDECESSORS = {
    State.NEW: "NonExistentReplica",
    State.ONLINE: "NewReplica OnlineReplica OfflineReplica ReplicaDeletionIneligible",
    State.OFFLINE: "NewReplica OnlineReplica OfflineReplica ReplicaDeletionIneligible",
    State.DELETION_STARTED: "OfflineReplica",
    State.DELETION_SUCCESSFUL: "ReplicaDeletionStarted",
    State.DELETION_INELIGIBLE: "ReplicaDeletionStarted",
    State.NON_EXISTENT: "ReplicaDeletionSuccessful",
}
"""The predecessors of each state, as in the controller's class."""


@st.composite
def walks(draw: st.DrawFn) -> list[State]:
    """Some legal transitions of a machine, starting in any state."""
    version = draw(machines)
    walk = [draw(states)]
    for _ in range(draw(st.integers(1, 20))):
        successors = [state for state in State if legal(walk[-1], state, version)]
        walk.append(draw(st.sampled_from(successors)))
    return walk


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_the_listed_predecessors_are_legal(before: State, after: State) -> None:
    listed = before.value in PREDECESSORS[after].split()
    assert legal(before, after, ReplicaStateMachine.V1_0) == listed


@pytest.mark.parametrize("version", [ReplicaStateMachine.V2_3, ReplicaStateMachine.V2_4])
def test_from_2_3_on_a_deletion_may_be_postponed_before_it_started_and_nothing_else_is_new(
    version: ReplicaStateMachine,
) -> None:
    new = {
        (before, after)
        for before, after in itertools.product(State, State)
        if legal(before, after, version) and not legal(before, after, ReplicaStateMachine.V1_0)
    }
    assert new == {(State.OFFLINE, State.DELETION_INELIGIBLE)}


@given(walks())
def test_a_deleted_replica_is_served_again_only_as_a_new_replica(walk: list[State]) -> None:
    deleted = False
    for state in walk:
        if state is State.DELETION_SUCCESSFUL:
            deleted = True
        elif state is State.NEW:
            deleted = False
        assert not (deleted and state in (State.ONLINE, State.OFFLINE))


@given(walks())
def test_a_replica_is_offline_before_its_deletion_starts(walk: list[State]) -> None:
    for before, after in itertools.pairwise(walk):
        assert after is not State.DELETION_STARTED or before is State.OFFLINE


@given(walks())
def test_a_replica_vanishes_only_after_its_deletion_succeeded(walk: list[State]) -> None:
    for before, after in itertools.pairwise(walk):
        assert after is not State.NON_EXISTENT or before is State.DELETION_SUCCESSFUL


@given(states, states, machines)
def test_a_path_consists_of_legal_transitions_between_its_ends(
    before: State, after: State, version: ReplicaStateMachine
) -> None:
    steps = path(before, after, version)
    assert (steps[0], steps[-1]) == (before, after)
    assert all(legal(state, next_, version) for state, next_ in itertools.pairwise(steps))


@given(states, states, machines)
def test_a_path_is_a_single_transition_exactly_where_that_is_legal(
    before: State, after: State, version: ReplicaStateMachine
) -> None:
    assert (len(path(before, after, version)) == 2) == legal(before, after, version)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((0, 11), ReplicaStateMachine.V1_0),
        ((1, 0, 2), ReplicaStateMachine.V1_0),
        ((2, 2, 1), ReplicaStateMachine.V1_0),
        ((2, 3), ReplicaStateMachine.V2_3),
        ((2, 4, 0), ReplicaStateMachine.V2_4),
        ((3, 9, 1), ReplicaStateMachine.V2_4),
        ((4, 1), ReplicaStateMachine.V2_4),
    ],
)
def test_the_machine_follows_from_the_version(
    version: tuple[int, ...], expected: ReplicaStateMachine
) -> None:
    assert machine(version) is expected


def test_a_new_controller_treats_dead_replicas_as_undeletable_from_2_4_on_as_offline() -> None:
    assert [at_startup(True, version) for version in ReplicaStateMachine] == [State.ONLINE] * 3
    assert [at_startup(False, version) for version in ReplicaStateMachine] == [
        State.DELETION_INELIGIBLE,
        State.DELETION_INELIGIBLE,
        State.OFFLINE,
    ]
