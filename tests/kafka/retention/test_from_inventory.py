"""Topics that only the inventory has yet: parameters, brokers' defaults, and an even spread."""

from __future__ import annotations

from pathlib import Path

import yaml

from provision.deploy.project import load
from provision.kafka.retention.fetch import TopicInfo
from provision.kafka.retention.from_inventory import planned_topic
from provision.kafka.retention.model import Cleaner, RetentionTopic

TOPICS = {
    "orders": {
        "partitions": 4,
        "replicas": 2,
        "config": {"cleanup.policy": "compact, delete", "retention.ms": 1000},
    },
    "audit": {"partitions": 3},
}
PROPERTIES = {"log.retention.hours": 2, "log.cleaner.backoff.ms": 500, "log.segment.bytes": 2000000}


def inventory(tmp_path: Path) -> Path:
    """An inventory of three brokers with these topics."""
    kafka = {
        "version": "4.1.0",
        "brokers": "brokers",
        "users": {"admin": {"password": "s"}},
        "properties": PROPERTIES,
        "topics": TOPICS,
        "distribution": {"jars": "/opt/kafka"},
    }
    frontend = {
        "name": "kafka",
        "vips": ["192.0.2.10"],
        "directors": "director",
        "vrrp": {"virtual_router_id": 1},
        "services": [{"port": 9092, "real_servers": "brokers"}],
    }
    hosts = {f"k{id_}": {"ansible_host": f"192.0.2.{id_}", "kafka_id": id_} for id_ in (3, 1, 2)}
    path = tmp_path / "inventory.yml"
    everything = {
        "vars": {"kafka": kafka, "frontends": [frontend]},
        "children": {"brokers": {"hosts": hosts}},
        "hosts": {"director": {"ansible_host": "192.0.2.9"}},
    }
    path.write_text(yaml.safe_dump({"all": everything}))
    return path


def planned(tmp_path: Path, name: str) -> TopicInfo:
    """The topic as the inventory describes it."""
    cluster = load(inventory(tmp_path)).topology.kafka
    assert cluster
    return planned_topic(cluster, name, {1: 10**9})


def test_a_parameter_that_the_topic_does_not_set_comes_from_the_brokers_properties(
    tmp_path: Path,
) -> None:
    orders = planned(tmp_path, "orders")
    assert orders.topic == RetentionTopic(
        "orders", frozenset({"compact", "delete"}), retention_ms=1000, segment_bytes=2_000_000
    )
    assert orders.cleaner == Cleaner(backoff=500, version=(4, 1, 0))
    assert planned(tmp_path, "audit").topic.retention_ms == 2 * 3_600_000


def test_replicas_are_spread_evenly_and_rounded_up(tmp_path: Path) -> None:
    assert dict(planned(tmp_path, "orders").replicas) == {1: 3, 2: 3, 3: 3}
    assert dict(planned(tmp_path, "audit").replicas) == {1: 3, 2: 3, 3: 3}, (
        "the default are three replicas"
    )
    assert planned(tmp_path, "orders").room == {1: 10**9}
