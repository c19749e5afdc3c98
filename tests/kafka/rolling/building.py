"""Small clusters for the tests of rolls."""

from __future__ import annotations

from provision.inventory.kafka import KafkaNode
from provision.kafka.replicas.model import Cluster, Partition, Quorum, TopicPartition


def node(id_: int, *, broker: bool = True, controller: bool = True) -> KafkaNode:
    """A node on host kafkaID."""
    return KafkaNode(f"kafka{id_}", id_, f"192.0.2.{id_}", broker, controller)


NODES = tuple(node(id_) for id_ in (1, 2, 3))


def partition(
    number: int = 0,
    *,
    isr: tuple[int, ...] = (1, 2, 3),
    replicas: tuple[int, ...] = (1, 2, 3),
    min_isr: int = 2,
    leader: int | None = None,
    adding: tuple[int, ...] = (),
) -> Partition:
    """Return a partition of `orders`; the first broker in sync leads it."""
    leads = leader if leader is not None else isr[0] if isr else -1
    return Partition(TopicPartition("orders", number), leads, replicas, isr, min_isr, adding=adding)


def cluster(
    *partitions: Partition,
    brokers: tuple[int, ...] = (1, 2, 3),
    silent: tuple[int, ...] = (),
    active: int = 1,
    voters: dict[int, int] | None = None,
    kraft: bool = True,
) -> Cluster:
    """Return a state of the cluster; all voters have caught up unless `voters` has their times."""
    quorum = Quorum(active, voters or {1: 9000, 2: 9000, 3: 9000}) if kraft else None
    return Cluster(
        (3, 9),
        frozenset(brokers),
        partitions or (partition(),),
        quorum=quorum,
        silent=frozenset(silent),
        acting=-1 if kraft else active,
    )
