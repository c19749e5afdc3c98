"""The gate: the rules by which a broker may go down, and the order of a roll."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.kafka.replicas.availability import NodeRole, gate, roll_order
from provision.kafka.replicas.model import Cluster, Partition, Quorum, TopicPartition


def cluster(
    *,
    isr: tuple[int, ...] = (1, 2, 3),
    min_isr: int = 2,
    replicas: tuple[int, ...] = (1, 2, 3),
    quorum: Quorum | None = None,
) -> Cluster:
    """A cluster of three brokers and one partition."""
    partition = Partition(
        TopicPartition("orders", 0), isr[0] if isr else -1, replicas, isr, min_isr
    )
    return Cluster((3, 9), frozenset({1, 2, 3}), (partition,), quorum=quorum)


def rules(state: Cluster, broker: int) -> list[str]:
    """The rules that refuse to let the broker go down."""
    return [refusal.rule for refusal in gate(state, broker).refusals]


def test_a_broker_may_go_down_when_enough_others_are_in_sync() -> None:
    assert gate(cluster(), 1).is_allowed


def test_a_broker_may_not_go_down_when_the_isr_would_fall_below_its_minimum() -> None:
    assert rules(cluster(isr=(1, 2)), 1) == ["at-min-isr"]


def test_a_broker_that_is_not_in_sync_may_go_down_while_the_others_suffice() -> None:
    assert gate(cluster(isr=(1, 2)), 3).is_allowed


def test_when_too_few_are_in_sync_no_broker_with_a_replica_may_go_down() -> None:
    verdicts = [gate(cluster(isr=(1,)), broker) for broker in (1, 3)]
    assert [verdict.is_allowed for verdict in verdicts] == [False, False]
    assert "is one of them" in verdicts[0].refusals[0].why
    assert "may be the first to catch up" in verdicts[1].refusals[0].why


def test_a_broker_without_a_replica_may_go_down() -> None:
    assert gate(cluster(isr=(1,), replicas=(1, 2, 4)), 3).is_allowed


@pytest.mark.parametrize("min_isr", [1, 2])
def test_a_partition_without_a_spare_replica_is_named_but_refuses_nothing(min_isr: int) -> None:
    verdict = gate(cluster(isr=(1,), replicas=(1,), min_isr=min_isr), 1)
    assert verdict.is_allowed
    assert [str(name) for name in verdict.stalled] == ["orders-0"]


@given(st.sets(st.integers(1, 5), min_size=1), st.data(), st.integers(1, 5))
def test_an_allowed_broker_leaves_enough_in_sync_or_no_replica_was_spare(
    replicas: set[int], data: st.DataObject, min_isr: int
) -> None:
    isr = data.draw(st.sets(st.sampled_from(sorted(replicas))))
    broker = data.draw(st.sampled_from(sorted(replicas)))
    verdict = gate(cluster(isr=tuple(isr), replicas=tuple(replicas), min_isr=min_isr), broker)
    if verdict.is_allowed:
        assert len(isr - {broker}) >= min_isr or len(replicas) <= min_isr
    else:
        assert len(isr - {broker}) < min_isr


def voters(**behind: int) -> Quorum:
    """Controllers `n1` to `n…`, of which `n1` leads; each is so many ms behind, -1 is unknown."""
    now = 1_000_000
    caught_up = {int(name[1:]): -1 if lag < 0 else now - lag for name, lag in behind.items()}
    return Quorum(1, caught_up, 2000)


@pytest.mark.parametrize(
    ("quorum", "broker", "allowed"),
    [
        (voters(n1=0, n2=100, n3=0), 2, True),
        (voters(n1=0, n2=1999, n3=1999), 1, True),
        (voters(n1=0, n2=2000, n3=0), 3, False),  # 2 is behind: only the leader would be left
        (voters(n1=0, n2=2000, n3=0), 2, True),  # the controller that is behind may go down
        (voters(n1=0, n2=-1, n3=0), 1, False),
        (voters(n1=0, n2=0, n3=0, n4=0), 1, True),
        (voters(n1=0, n2=0, n3=0, n4=5000), 2, False),  # of four a majority is three
        (voters(n1=0, n2=0, n3=5000, n4=0, n5=0), 2, True),
        (voters(n1=0), 1, True),
        (voters(n1=0, n2=0), 1, True),
        (voters(n1=0, n2=9000), 1, False),
        (voters(n1=0, n2=9000), 2, True),
    ],
)
def test_the_controllers_keep_a_majority_that_has_caught_up(
    quorum: Quorum, broker: int, allowed: bool
) -> None:
    assert gate(cluster(quorum=quorum), broker).is_allowed is allowed


def test_without_a_leading_controller_none_may_go_down() -> None:
    assert rules(cluster(quorum=Quorum(-1, {1: 5, 2: 5, 3: 5})), 2) == ["no-quorum"]


def test_the_quorum_does_not_matter_for_a_broker_that_is_no_controller() -> None:
    assert gate(cluster(quorum=Quorum(-1, {7: 5, 8: 5, 9: 5})), 2).is_allowed


def node(id_: int, role: str, ready: bool = True) -> NodeRole:
    return NodeRole(id_, role == "controller", ready)


def test_a_roll_takes_controllers_first_unready_nodes_first_and_the_active_controller_last() -> (
    None
):
    nodes = [
        node(1, "broker"),
        node(2, "broker", ready=False),
        node(3, "controller"),
        node(4, "controller"),
        node(5, "controller", ready=False),
    ]
    assert roll_order(nodes, active=3) == (5, 4, 3, 2, 1)


def test_with_zookeeper_the_acting_controller_is_last_of_all() -> None:
    assert roll_order([node(n, "broker", ready=n != 3) for n in (1, 2, 3)], active=1) == (3, 2, 1)


def test_an_active_controller_that_is_unready_comes_first() -> None:
    assert roll_order([node(3, "controller", ready=False), node(4, "controller")], active=3) == (
        3,
        4,
    )
