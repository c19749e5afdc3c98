"""A replica's state from a cluster's answers: a case for each rule, and general properties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.replicas.derive import derive, remembered, states
from provision.kafka.replicas.model import Cluster, Partition, Replica, ReplicaLog, TopicPartition
from provision.kafka.replicas.state_machine import State

NAME = TopicPartition("orders", 0)
WHOLE = Partition(NAME, 1, (1, 2, 3), (1, 2, 3))


@pytest.mark.parametrize(
    ("partition", "broker", "alive", "has_log", "state"),
    [
        (WHOLE, 1, True, True, State.ONLINE),
        (replace(WHOLE, isr=(1, 3)), 2, True, True, State.ONLINE),  # behind, but in use
        (WHOLE, 1, True, None, State.ONLINE),  # its log folders could not be read
        (WHOLE, 1, True, False, State.ONLINE),  # created since the log folders were read
        (replace(WHOLE, isr=(1, 3)), 2, True, False, State.NEW),
        (replace(WHOLE, replicas=(1, 2, 3, 4), adding=(4,)), 4, True, True, State.NEW),
        (replace(WHOLE, replicas=(1, 2, 3, 4), adding=(4,)), 4, False, None, State.OFFLINE),
        (replace(WHOLE, removing=(3,)), 3, True, True, State.ONLINE),
        (WHOLE, 2, False, None, State.OFFLINE),
        (replace(WHOLE, offline=(2,)), 2, True, None, State.OFFLINE),  # its log folder has failed
        (WHOLE, 4, True, True, State.DELETION_STARTED),
        (None, 1, True, True, State.DELETION_STARTED),
        (None, 1, False, True, State.OFFLINE),  # to be deleted when the broker is back
        (WHOLE, 4, True, False, State.NON_EXISTENT),
        (None, 1, False, None, State.NON_EXISTENT),
    ],
)
def test_the_state_follows_from_the_answers(
    partition: Partition | None, broker: int, alive: bool, has_log: bool | None, state: State
) -> None:
    assert derive(partition, broker, alive, has_log) is state


brokers = st.integers(1, 4)
broker_lists = st.lists(brokers, unique=True).map(tuple)
partitions = st.builds(
    Partition,
    st.just(NAME),
    brokers,
    broker_lists,
    broker_lists,
    st.just(1),
    broker_lists,
    broker_lists,
    broker_lists,
)


@given(partitions, brokers, st.booleans(), st.sampled_from([True, False, None]))
def test_only_a_replica_of_a_live_broker_that_is_assigned_is_online_or_new(
    partition: Partition, broker: int, alive: bool, has_log: bool | None
) -> None:
    state = derive(partition, broker, alive, has_log)
    if state in (State.ONLINE, State.NEW):
        assert alive and broker in partition.replicas and broker not in partition.offline
    assert (state is State.NON_EXISTENT) == (broker not in partition.replicas and not has_log)


def cluster(live: set[int], *held: int, partitions: tuple[Partition, ...] = (WHOLE,)) -> Cluster:
    """A cluster in which the brokers `held` have the partition's log; other live brokers do not."""
    logs = {broker: {NAME: ReplicaLog(10)} if broker in held else {} for broker in live}
    return Cluster((3, 9), frozenset(live), partitions, logs)


def test_every_replica_that_is_assigned_or_has_a_log_has_a_state() -> None:
    by_replica = states(cluster({1, 2, 4}, 1, 2, 4))
    assert {replica.broker: state for replica, state in by_replica.items()} == {
        1: State.ONLINE,
        2: State.ONLINE,
        3: State.OFFLINE,
        4: State.DELETION_STARTED,
    }


def test_the_last_known_log_of_a_dead_broker_waits_there_for_its_deletion() -> None:
    before = cluster({1, 2, 3}, 1, 2, 3)
    now = remembered(before, cluster({1, 2}, partitions=()))
    assert states(now) == {Replica("orders", 0, 3): State.OFFLINE}


def test_a_live_brokers_new_answer_replaces_its_old_answer() -> None:
    now = remembered(cluster({1, 2, 3}, 1, 2, 3), cluster({1, 2, 3}, 1, 2))
    assert now.logs[3] == {}
