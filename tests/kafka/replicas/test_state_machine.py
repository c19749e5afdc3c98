"""The state machine: exactly the listed predecessors are legal, and what no way can avoid."""

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

#: As the controller's class lists them: state, then the states it may follow.
LISTED = {
    State.NEW: "NonExistentReplica",
    State.ONLINE: "NewReplica OnlineReplica OfflineReplica ReplicaDeletionIneligible",
    State.OFFLINE: "NewReplica OnlineReplica OfflineReplica ReplicaDeletionIneligible",
    State.DELETION_STARTED: "OfflineReplica",
    State.DELETION_SUCCESSFUL: "ReplicaDeletionStarted",
    State.DELETION_INELIGIBLE: "ReplicaDeletionStarted",
    State.NON_EXISTENT: "ReplicaDeletionSuccessful",
}


@st.composite
def walks(draw: st.DrawFn) -> list[State]:
    """A way of legal steps of some length, from any state, of one machine."""
    of = draw(machines)
    way = [draw(states)]
    for _ in range(draw(st.integers(1, 20))):
        way.append(draw(st.sampled_from([state for state in State if legal(way[-1], state, of)])))
    return way


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_each_listed_predecessor_is_legal_and_no_other(before: State, after: State) -> None:
    assert legal(before, after, ReplicaStateMachine.V1_0) == (before.value in LISTED[after].split())


@pytest.mark.parametrize("of", [ReplicaStateMachine.V2_3, ReplicaStateMachine.V2_4])
def test_from_2_3_on_a_deletion_may_be_given_up_before_it_started_and_nothing_else_is_new(
    of: ReplicaStateMachine,
) -> None:
    new = {
        (b, a)
        for b, a in itertools.product(State, State)
        if legal(b, a, of) and not legal(b, a, ReplicaStateMachine.V1_0)
    }
    assert new == {(State.OFFLINE, State.DELETION_INELIGIBLE)}


@given(walks())
def test_what_was_deleted_is_served_again_only_as_a_new_replica(way: list[State]) -> None:
    deleted = False
    for state in way:
        if state is State.DELETION_SUCCESSFUL:
            deleted = True
        elif state is State.NEW:
            deleted = False
        assert not (deleted and state in (State.ONLINE, State.OFFLINE))


@given(walks())
def test_a_replica_is_offline_before_its_deletion_starts(way: list[State]) -> None:
    for before, after in itertools.pairwise(way):
        assert after is not State.DELETION_STARTED or before is State.OFFLINE


@given(walks())
def test_nothing_vanishes_but_after_a_deletion_that_succeeded(way: list[State]) -> None:
    for before, after in itertools.pairwise(way):
        assert after is not State.NON_EXISTENT or before is State.DELETION_SUCCESSFUL


@given(states, states, machines)
def test_a_path_is_made_of_legal_steps_from_one_end_to_the_other(
    before: State, after: State, of: ReplicaStateMachine
) -> None:
    way = path(before, after, of)
    assert (way[0], way[-1]) == (before, after)
    assert all(legal(one, next_, of) for one, next_ in itertools.pairwise(way))


@given(states, states, machines)
def test_a_path_is_one_step_exactly_where_the_step_is_legal(
    before: State, after: State, of: ReplicaStateMachine
) -> None:
    assert (len(path(before, after, of)) == 2) == legal(before, after, of)


@pytest.mark.parametrize(
    ("version", "of"),
    [
        ((0, 11), ReplicaStateMachine.V1_0), ((1, 0, 2), ReplicaStateMachine.V1_0), ((2, 2, 1), ReplicaStateMachine.V1_0), ((2, 3), ReplicaStateMachine.V2_3),
        ((2, 4, 0), ReplicaStateMachine.V2_4), ((3, 9, 1), ReplicaStateMachine.V2_4), ((4, 1), ReplicaStateMachine.V2_4),
    ],
)  # fmt: skip
def test_the_machine_follows_from_the_version(
    version: tuple[int, ...], of: ReplicaStateMachine
) -> None:
    assert machine(version) is of


def test_a_new_controller_takes_dead_replicas_for_undeletable_and_from_2_4_on_for_offline() -> None:
    assert [at_startup(True, of) for of in ReplicaStateMachine] == [State.ONLINE] * 3
    assert [at_startup(False, of) for of in ReplicaStateMachine] == [
        State.DELETION_INELIGIBLE, State.DELETION_INELIGIBLE, State.OFFLINE,
    ]  # fmt: skip
