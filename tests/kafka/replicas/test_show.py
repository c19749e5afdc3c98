"""A cluster's replicas as text and as JSON."""

from __future__ import annotations

from dataclasses import replace

from provision.kafka.replicas import show
from provision.kafka.replicas.check import check
from provision.kafka.replicas.derive import states
from provision.kafka.replicas.model import Cluster, Partition, Quorum, ReplicaLog, TopicPartition
from provision.kafka.replicas.problems import troubles

NAME = TopicPartition("orders", 0)
WHOLE = Partition(NAME, 1, (1, 2, 3), (1, 2, 3), 2)
LOGS = {broker: {NAME: ReplicaLog(1000)} for broker in (1, 2, 3)}
CLUSTER = Cluster((3, 9), frozenset({1, 2, 3}), (WHOLE,), LOGS, Quorum(2, {1: 0, 2: 0, 3: 0}))


def screen(cluster: Cluster) -> list[str]:
    """The lines without their colours."""
    return [line for line, _ in show.lines(cluster, states(cluster))]


def test_a_healthy_cluster_has_a_line_for_each_partition() -> None:
    assert screen(CLUSTER) == [
        "Kafka 3.9, brokers 1 2 3, controller 2; 3 replicas: 3 online",
        "",
        "PARTITION  LEADER  IN SYNC  MIN  REPLICAS",
        "orders-0   1       3 of 3   2    1 online  2 online  3 online",
    ]
    assert troubles(CLUSTER) == ()


def test_problems_stand_on_top_the_worst_first() -> None:
    more = [
        replace(WHOLE, name=TopicPartition("gone", 0), leader=-1, isr=()),
        replace(WHOLE, name=TopicPartition("low", 0), isr=(1,)),
        *(replace(WHOLE, name=TopicPartition("thin", number), isr=(1, 2)) for number in range(5)),
    ]
    lines = screen(replace(CLUSTER, partitions=(WHOLE, *more), silent=frozenset({3})))
    assert lines[1:5] == [
        "! broker 3 does not answer, but still counts as alive",
        "! gone-0 without a leader: clients can neither write nor read",
        "! low-0 below min.insync.replicas: acks=all fails",
        "! thin-0, thin-1, thin-2 and 2 more with replicas that are not in sync",
    ]


def test_a_live_replica_that_is_not_in_sync_shows_its_lag() -> None:
    logs = {**LOGS, 2: {NAME: ReplicaLog(900, 120)}}
    behind = replace(CLUSTER, partitions=(replace(WHOLE, isr=(1, 3)),), logs=logs)
    assert screen(behind)[-1].endswith("1 online  2 online (120 behind)  3 online")


def test_offline_replicas_are_marked_if_they_are_eligible_or_to_be_deleted() -> None:
    dead = replace(
        CLUSTER, brokers=frozenset({1, 2}), partitions=(replace(WHOLE, isr=(1, 2), eligible=(3,)),)
    )
    assert screen(dead)[-1].endswith("3 offline (eligible)")
    deleted = replace(dead, partitions=())
    assert screen(deleted)[-1].endswith(
        " 1 being deleted  2 being deleted  3 offline (to be deleted)"
    )


def test_a_reassignment_is_no_problem() -> None:
    moving = replace(WHOLE, replicas=(1, 2, 3, 4), adding=(4,), removing=(1,))
    cluster = replace(CLUSTER, partitions=(moving,), brokers=frozenset({1, 2, 3, 4}))
    assert troubles(cluster) == ()
    row = screen(cluster)[-1]
    assert row.endswith("1 online (leaving)  2 online  3 online  4 new (not in sync)")


def test_a_long_name_has_a_separate_line() -> None:
    long = replace(WHOLE, name=TopicPartition("a" * 60, 0))
    *_, name, row = screen(replace(CLUSTER, partitions=(long,), logs={}))
    assert name == f"{'a' * 60}-0"
    assert len(row) <= 80 and row.startswith(" ")


def test_changes_stand_below_the_partitions() -> None:
    now = replace(CLUSTER, brokers=frozenset({1, 2}))
    lines = [line for line, _ in show.lines(now, states(now), check(states(CLUSTER), states(now)))]
    assert lines[-2:] == ["changed:", "  orders-0 on broker 3: OnlineReplica -> OfflineReplica"]


def test_the_document_has_states_sizes_and_troubles() -> None:
    document = show.document(
        replace(CLUSTER, partitions=(replace(WHOLE, isr=(1, 2)),)), states(CLUSTER)
    )
    assert (document["controller"], document["troubles"][0]["kind"]) == (2, "not-whole")
    (partition,) = document["partitions"]
    assert partition["replicas"][2] == {
        "broker": 3,
        "state": "OnlineReplica",
        "in_sync": False,
        "size": 1000,
        "lag": 0,
    }
