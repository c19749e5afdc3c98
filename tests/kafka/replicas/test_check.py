"""The transitions between two polls, and those that are illegal."""

from __future__ import annotations

import pytest

from provision.kafka.replicas.check import check
from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State

FIRST, SECOND = Replica("orders", 0, 1), Replica("orders", 0, 2)


def test_a_replica_that_keeps_its_state_has_no_transition() -> None:
    assert check({FIRST: State.ONLINE}, {FIRST: State.ONLINE}) == ()


def test_a_transition_of_the_state_machine_is_legal() -> None:
    (transition,) = check(
        {FIRST: State.ONLINE, SECOND: State.ONLINE}, {FIRST: State.ONLINE, SECOND: State.OFFLINE}
    )
    assert (transition.replica, transition.path, transition.legal) == (
        SECOND,
        (State.ONLINE, State.OFFLINE),
        True,
    )
    assert str(transition) == "orders-0 on broker 2: OnlineReplica -> OfflineReplica"


def test_a_topic_that_is_gone_went_through_its_deletion_between_two_polls() -> None:
    (transition,) = check({FIRST: State.ONLINE}, {})
    assert transition.legal
    assert transition.path[1:-1] == (
        State.OFFLINE,
        State.DELETION_STARTED,
        State.DELETION_SUCCESSFUL,
    )


def test_a_topic_that_is_online_at_once_was_new_between_two_polls() -> None:
    (transition,) = check({}, {FIRST: State.ONLINE})
    assert (transition.legal, transition.path[1:-1]) == (True, (State.NEW,))


@pytest.mark.parametrize("before", [State.ONLINE, State.OFFLINE, State.DELETION_INELIGIBLE])
def test_a_replica_that_is_new_again_has_lost_its_log(before: State) -> None:
    (transition,) = check({FIRST: before}, {FIRST: State.NEW})
    assert not transition.legal
    assert str(transition).endswith("the replica was deleted and created again, or lost its log")


def test_a_deletion_that_succeeded_cannot_be_reverted() -> None:
    assert not check({FIRST: State.DELETION_SUCCESSFUL}, {FIRST: State.ONLINE})[0].legal


def test_before_2_3_a_deletion_is_postponed_only_once_it_has_started() -> None:
    before, after = {FIRST: State.OFFLINE}, {FIRST: State.DELETION_INELIGIBLE}
    lengths = [len(check(before, after, machine)[0].path) for machine in ReplicaStateMachine]
    assert lengths == [3, 2, 2]
