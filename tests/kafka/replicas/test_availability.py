"""The gate: each of the rules by which a broker may or may not go down, and the order of a roll."""

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
    """Three brokers and one partition."""
    partition = Partition(
        TopicPartition("orders", 0), isr[0] if isr else -1, replicas, isr, min_isr
    )
    return Cluster((3, 9), frozenset({1, 2, 3}), (partition,), quorum=quorum)


def rules(found: Cluster, broker: int) -> list[str]:
    """The rules that speak against it."""
    return [refusal.rule for refusal in gate(found, broker).refusals]


def test_a_broker_may_go_when_enough_others_are_in_sync() -> None:
    assert gate(cluster(), 1).may


def test_a_broker_may_not_go_when_the_isr_would_fall_below_its_minimum() -> None:
    assert rules(cluster(isr=(1, 2)), 1) == ["at-min-isr"]


def test_a_broker_that_is_not_in_sync_may_go_while_the_others_suffice() -> None:
    assert gate(cluster(isr=(1, 2)), 3).may


def test_where_too_few_are_in_sync_no_broker_with_a_replica_may_go() -> None:
    verdicts = [gate(cluster(isr=(1,)), broker) for broker in (1, 3)]
    assert [verdict.may for verdict in verdicts] == [False, False]
    assert "is one of them" in verdicts[0].refusals[0].why
    assert "may be the first to catch up" in verdicts[1].refusals[0].why


def test_a_broker_without_a_replica_is_not_concerned() -> None:
    assert gate(cluster(isr=(1,), replicas=(1, 2, 4)), 3).may


@pytest.mark.parametrize("min_isr", [1, 2])
def test_partitions_that_could_never_be_rolled_do_not_stop_it_but_are_named(min_isr: int) -> None:
    verdict = gate(cluster(isr=(1,), replicas=(1,), min_isr=min_isr), 1)
    assert verdict.may
    assert [str(name) for name in verdict.stalled] == ["orders-0"]


@given(st.sets(st.integers(1, 5), min_size=1), st.data(), st.integers(1, 5))
def test_what_the_gate_lets_go_leaves_enough_in_sync_or_could_never_be_rolled(
    replicas: set[int], data: st.DataObject, min_isr: int
) -> None:
    isr = data.draw(st.sets(st.sampled_from(sorted(replicas))))
    broker = data.draw(st.sampled_from(sorted(replicas)))
    verdict = gate(cluster(isr=tuple(isr), replicas=tuple(replicas), min_isr=min_isr), broker)
    if verdict.may:
        assert len(isr - {broker}) >= min_isr or len(replicas) <= min_isr
    else:
        assert len(isr - {broker}) < min_isr


def voters(**behind: int) -> Quorum:
    """Controllers `n1` to `n…`, of which the first leads; each so many milliseconds behind, or -1: never seen."""
    now = 1_000_000
    at = {int(name[1:]): -1 if late < 0 else now - late for name, late in behind.items()}
    return Quorum(1, at, 2000)


@pytest.mark.parametrize(
    ("quorum", "broker", "may"),
    [
        (voters(n1=0, n2=100, n3=0), 2, True),
        (voters(n1=0, n2=1999, n3=1999), 1, True),
        (voters(n1=0, n2=2000, n3=0), 3, False),  # 2 is behind: only the leader would be left
        (voters(n1=0, n2=2000, n3=0), 2, True),  # the one that is behind may go
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
    quorum: Quorum, broker: int, may: bool
) -> None:
    assert gate(cluster(quorum=quorum), broker).may is may


def test_without_a_leading_controller_none_may_go() -> None:
    assert rules(cluster(quorum=Quorum(-1, {1: 5, 2: 5, 3: 5})), 2) == ["no-quorum"]


def test_a_broker_that_is_no_controller_does_not_ask_the_quorum() -> None:
    assert gate(cluster(quorum=Quorum(-1, {7: 5, 8: 5, 9: 5})), 2).may


def node(id_: int, role: str, ready: bool = True) -> NodeRole:
    return NodeRole(id_, role == "controller", ready)


def test_a_roll_takes_controllers_first_unready_ones_before_ready_ones_and_the_active_one_last() -> (
    None
):
    nodes = [
        node(1, "broker"), node(2, "broker", ready=False), node(3, "controller"), node(4, "controller"),
        node(5, "controller", ready=False),
    ]  # fmt: skip
    assert roll_order(nodes, active=3) == (5, 4, 3, 2, 1)


def test_with_zookeeper_the_acting_controller_is_last_of_all() -> None:
    assert roll_order([node(n, "broker", ready=n != 3) for n in (1, 2, 3)], active=1) == (3, 2, 1)


def test_an_active_controller_that_is_unready_does_not_wait() -> None:
    assert roll_order([node(3, "controller", ready=False), node(4, "controller")], active=3) == (
        3,
        4,
    )
