"""What keeps a node from going down, when it is back, and in which order nodes go."""

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


def test_a_whole_cluster_lets_each_of_its_nodes_go() -> None:
    assert [obstacles(cluster(), NODES, each) for each in NODES] == [(), (), ()]


def test_nothing_may_be_missing_but_the_node_itself() -> None:
    """The gate would let broker 1 go here: two of three in sync remain enough where one is the minimum."""
    seen = cluster(partition(isr=(1, 2), min_isr=1), brokers=(1, 2))
    assert gate(seen, 1).is_allowed
    assert obstacles(seen, NODES, ONE) == (
        "broker 3 is not in the cluster", "orders-0: replicas not in sync, on broker 3",
    )  # fmt: skip
    assert obstacles(seen, NODES, THREE) == (), "restarting it may be what brings it back"


def test_partitions_of_one_trouble_share_a_line() -> None:
    behind = [partition(number, isr=(1, 2)) for number in range(5)]
    assert obstacles(cluster(*behind), NODES, ONE) == (
        "orders-0, orders-1, orders-2 and 2 more: replicas not in sync, on broker 3",
        "orders-0, orders-1, orders-2 and 2 more: 2 of 3 in sync, min.insync.replicas 2: acks=all would stall",
    )


def test_a_partition_without_a_leader_keeps_all_others_up() -> None:
    gone = partition(isr=(3,), replicas=(3,), min_isr=1, leader=-1)
    assert obstacles(cluster(gone), NODES, ONE) == ("orders-0: without a leader",)
    assert obstacles(cluster(gone), NODES, THREE) == ()


def test_a_reassignment_under_way_is_no_obstacle() -> None:
    moving = partition(isr=(1, 2, 3), replicas=(1, 2, 3, 4), adding=(4,))
    assert obstacles(cluster(moving), NODES, ONE) == ()
    assert not_in_sync(cluster(moving), 4) == ""


def test_a_partition_with_no_replica_to_spare_does_not_forbid_a_roll_for_ever() -> None:
    single = partition(isr=(3,), replicas=(3,), min_isr=1)
    assert obstacles(cluster(single), NODES, THREE) == ()


def test_a_controller_that_lags_keeps_the_others_up() -> None:
    seen = cluster(voters={1: 9000, 2: 9000, 3: 5000})
    assert obstacles(seen, NODES, ONE) == (
        "controller 3 has not caught up with the active one",
        "controllers: 1 of 3 have caught up, broker 1 not counted; a majority is 2",
    )


def test_a_broker_is_back_when_it_is_registered_and_answers_itself() -> None:
    assert not_ready(cluster(brokers=(1, 3)), TWO) == "broker 2 is not in the cluster"
    assert not_ready(cluster(silent=(2,)), TWO) == "broker 2 does not answer", (
        "a dead one may be registered still"
    )
    assert not_ready(cluster(), TWO) == ""


def test_a_node_that_is_a_controller_alone_is_back_when_it_has_caught_up() -> None:
    alone = node(3, broker=False)
    assert not_ready(cluster(brokers=(1, 2), voters={1: 9000, 2: 9000, 3: -1}), alone).startswith(
        "controller 3"
    )
    assert not_ready(cluster(brokers=(1, 2)), alone) == ""


def test_with_zookeeper_nodes_are_brokers_and_no_more() -> None:
    seen = cluster(kraft=False)
    assert not_ready(seen, node(2, controller=False)) == ""
    assert [
        each.id for each in order(seen, [node(id_, controller=False) for id_ in (1, 2, 3)])
    ] == [2, 3, 1]


def test_a_broker_is_in_sync_when_all_that_it_holds_is() -> None:
    seen = cluster(
        partition(0, isr=(1, 2, 3)),
        partition(1, isr=(1, 3)),
        partition(2, isr=(1, 3), replicas=(1, 3)),
    )
    assert not_in_sync(seen, 2) == "orders-1: broker 2 is not in sync"
    assert not_in_sync(seen, 3) == ""


def test_the_active_controller_goes_last_and_who_is_not_ready_first() -> None:
    assert [each.id for each in order(cluster(), NODES)] == [2, 3, 1]
    assert next_node(cluster(brokers=(1, 2)), NODES) == THREE


PARTITIONS = st.lists(
    st.builds(
        lambda number, isr, min_isr: partition(number, isr=tuple(sorted(isr)), min_isr=min_isr),
        st.integers(0, 9), st.sets(st.sampled_from([1, 2, 3])), st.integers(1, 3),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@given(PARTITIONS, st.sets(st.sampled_from([1, 2, 3]), min_size=1), st.sampled_from(NODES))
def test_whoever_may_go_takes_nothing_down_that_was_not_its_own(
    partitions: list[Partition], brokers: set[int], taken: KafkaNode
) -> None:
    """No obstacle means: the gate agrees, all others serve, and each replica that is missing is the node's own."""
    seen = cluster(*partitions, brokers=tuple(sorted(brokers)))
    if obstacles(seen, NODES, taken):
        return
    assert gate(seen, taken.id).is_allowed
    assert set(brokers) >= {each.id for each in NODES} - {taken.id}
    assert all(set(each.replicas) - set(each.isr) <= {taken.id} for each in seen.partitions)


@given(PARTITIONS, st.sampled_from(NODES))
def test_a_whole_cluster_never_keeps_a_node_that_the_gate_lets_go(
    partitions: list[Partition], taken: KafkaNode
) -> None:
    seen = cluster(*partitions)
    if not troubles(seen) and gate(seen, taken.id).is_allowed:
        assert obstacles(seen, NODES, taken) == ()


@given(st.sets(st.sampled_from([1, 2, 3])), st.integers(1, 3))
def test_every_node_is_taken_exactly_once(brokers: set[int], active: int) -> None:
    taken = order(cluster(brokers=tuple(brokers), active=active), NODES)
    assert sorted(each.id for each in taken) == [1, 2, 3]
