"""Between two looks: what changed, and what cannot have changed like that."""

from __future__ import annotations

import pytest

from provision.kafka.replicas.check import check
from provision.kafka.replicas.model import Replica
from provision.kafka.replicas.state_machine import ReplicaStateMachine, State

ONE, TWO = Replica("orders", 0, 1), Replica("orders", 0, 2)


def test_nothing_is_said_of_replicas_that_stay_as_they_are() -> None:
    assert check({ONE: State.ONLINE}, {ONE: State.ONLINE}) == ()


def test_a_step_of_the_machine_is_legal() -> None:
    (found,) = check(
        {ONE: State.ONLINE, TWO: State.ONLINE}, {ONE: State.ONLINE, TWO: State.OFFLINE}
    )
    assert (found.replica, found.way, found.legal) == (TWO, (State.ONLINE, State.OFFLINE), True)
    assert str(found) == "orders-0 on broker 2: OnlineReplica -> OfflineReplica"


def test_a_topic_that_is_gone_went_through_its_deletion_unseen() -> None:
    (found,) = check({ONE: State.ONLINE}, {})
    assert found.legal
    assert found.way[1:-1] == (State.OFFLINE, State.DELETION_STARTED, State.DELETION_SUCCESSFUL)


def test_a_topic_that_is_there_at_once_was_new_unseen() -> None:
    (found,) = check({}, {ONE: State.ONLINE})
    assert (found.legal, found.way[1:-1]) == (True, (State.NEW,))


@pytest.mark.parametrize("before", [State.ONLINE, State.OFFLINE, State.DELETION_INELIGIBLE])
def test_a_replica_that_is_new_again_has_lost_its_log(before: State) -> None:
    (found,) = check({ONE: before}, {ONE: State.NEW})
    assert not found.legal
    assert str(found).endswith("the replica was deleted and made anew, or lost its log")


def test_a_deletion_that_succeeded_cannot_be_taken_back() -> None:
    assert not check({ONE: State.DELETION_SUCCESSFUL}, {ONE: State.ONLINE})[0].legal


def test_until_2_3_a_deletion_is_given_up_only_once_it_has_started() -> None:
    before, after = {ONE: State.OFFLINE}, {ONE: State.DELETION_INELIGIBLE}
    assert [len(check(before, after, of)[0].way) for of in ReplicaStateMachine] == [3, 2, 2]
