"""The safety rules of a roll: obstacles to a stop, readiness, and the order of nodes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from provision.inventory.kafka import KafkaNode
from provision.kafka.replicas.availability import gate
from provision.kafka.replicas.model import Partition
from provision.kafka.replicas.problems import troubles
from provision.kafka.rolling.safety import next_node, not_in_sync, not_ready, obstacles, order
from tests.kafka.rolling.building import NODES, cluster, node, partition

ONE, TWO, THREE = NODES


def test_every_node_of_a_healthy_cluster_may_stop() -> None:
    assert [obstacles(cluster(), NODES, taken) for taken in NODES] == [(), (), ()]


def test_no_node_may_stop_while_another_is_down() -> None:
    """The gate would let broker 1 stop here: one replica in sync is left, and the minimum is 1."""
    state = cluster(partition(isr=(1, 2), min_isr=1), brokers=(1, 2))
    assert gate(state, 1).is_allowed
    assert obstacles(state, NODES, ONE) == (
        "broker 3 is not in the cluster",
        "orders-0: replicas not in sync, on broker 3",
    )
    assert obstacles(state, NODES, THREE) == (), "a restart may bring it back"


def test_partitions_with_the_same_problem_share_a_line() -> None:
    behind = [partition(number, isr=(1, 2)) for number in range(5)]
    assert obstacles(cluster(*behind), NODES, ONE) == (
        "orders-0, orders-1, orders-2 and 2 more: replicas not in sync, on broker 3",
        "orders-0, orders-1, orders-2 and 2 more: 2 of 3 in sync, min.insync.replicas 2: "
        "acks=all would stall",
    )


def test_while_a_partition_has_no_leader_no_other_broker_may_stop() -> None:
    gone = partition(isr=(3,), replicas=(3,), min_isr=1, leader=-1)
    assert obstacles(cluster(gone), NODES, ONE) == ("orders-0: without a leader",)
    assert obstacles(cluster(gone), NODES, THREE) == ()


def test_a_reassignment_under_way_is_no_obstacle() -> None:
    moving = partition(isr=(1, 2, 3), replicas=(1, 2, 3, 4), adding=(4,))
    assert obstacles(cluster(moving), NODES, ONE) == ()
    assert not_in_sync(cluster(moving), 4) == ""


def test_a_partition_with_a_single_replica_does_not_prevent_a_roll() -> None:
    single = partition(isr=(3,), replicas=(3,), min_isr=1)
    assert obstacles(cluster(single), NODES, THREE) == ()


def test_while_a_controller_lags_no_other_may_stop() -> None:
    state = cluster(voters={1: 9000, 2: 9000, 3: 5000})
    assert obstacles(state, NODES, ONE) == (
        "controller 3 has not caught up with the active controller",
        "controllers: 1 of 3 have caught up, broker 1 not counted; a majority is 2",
    )


def test_a_broker_is_ready_when_it_is_registered_and_answers() -> None:
    assert not_ready(cluster(brokers=(1, 3)), TWO) == "broker 2 is not in the cluster"
    assert not_ready(cluster(silent=(2,)), TWO) == "broker 2 does not answer", (
        "a dead broker may still be registered"
    )
    assert not_ready(cluster(), TWO) == ""


def test_a_node_that_is_only_a_controller_is_ready_when_it_has_caught_up() -> None:
    alone = node(3, broker=False)
    assert not_ready(cluster(brokers=(1, 2), voters={1: 9000, 2: 9000, 3: -1}), alone).startswith(
        "controller 3"
    )
    assert not_ready(cluster(brokers=(1, 2)), alone) == ""


def test_with_zookeeper_nodes_are_only_brokers() -> None:
    state = cluster(kraft=False)
    assert not_ready(state, node(2, controller=False)) == ""
    assert [
        broker.id for broker in order(state, [node(id_, controller=False) for id_ in (1, 2, 3)])
    ] == [2, 3, 1]


def test_a_broker_is_in_sync_when_all_its_replicas_are() -> None:
    state = cluster(
        partition(0, isr=(1, 2, 3)),
        partition(1, isr=(1, 3)),
        partition(2, isr=(1, 3), replicas=(1, 3)),
    )
    assert not_in_sync(state, 2) == "orders-1: broker 2 is not in sync"
    assert not_in_sync(state, 3) == ""


def test_the_active_controller_is_last_and_a_node_that_is_not_ready_first() -> None:
    assert [taken.id for taken in order(cluster(), NODES)] == [2, 3, 1]
    assert next_node(cluster(brokers=(1, 2)), NODES) == THREE


PARTITIONS = st.lists(
    st.builds(
        lambda number, isr, min_isr: partition(number, isr=tuple(sorted(isr)), min_isr=min_isr),
        st.integers(0, 9),
        st.sets(st.sampled_from([1, 2, 3])),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


@given(PARTITIONS, st.sets(st.sampled_from([1, 2, 3]), min_size=1), st.sampled_from(NODES))
def test_a_node_that_may_stop_affects_only_its_own_replicas(
    partitions: list[Partition], brokers: set[int], taken: KafkaNode
) -> None:
    """Without obstacles the gate agrees, all others serve, and only the node's replicas lag."""
    state = cluster(*partitions, brokers=tuple(sorted(brokers)))
    if obstacles(state, NODES, taken):
        return
    assert gate(state, taken.id).is_allowed
    assert set(brokers) >= {other.id for other in NODES} - {taken.id}
    assert all(
        set(partition.replicas) - set(partition.isr) <= {taken.id} for partition in state.partitions
    )


@given(PARTITIONS, st.sampled_from(NODES))
def test_in_a_healthy_cluster_every_node_that_passes_the_gate_may_stop(
    partitions: list[Partition], taken: KafkaNode
) -> None:
    state = cluster(*partitions)
    if not troubles(state) and gate(state, taken.id).is_allowed:
        assert obstacles(state, NODES, taken) == ()


@given(st.sets(st.sampled_from([1, 2, 3])), st.integers(1, 3))
def test_every_node_is_taken_exactly_once(brokers: set[int], active: int) -> None:
    ordered = order(cluster(brokers=tuple(brokers), active=active), NODES)
    assert sorted(taken.id for taken in ordered) == [1, 2, 3]
