"""What the inventory's words stand for: roles as kafka-acls expands them, names, addresses, numbers."""

from __future__ import annotations

from typing import Any

import pytest

from provision.inventory.kafka import KafkaCluster
from provision.inventory.model.kafka_user import Acl as Entry
from provision.inventory.topology import build
from provision.kafka.resources.desired import acls, desired
from provision.kafka.resources.model import AclBinding, TopicSpec
from tests.inventory.test_kafka import USERS, site


def cluster(**kafka: Any) -> KafkaCluster:
    """The usual three brokers with changes."""
    found = build(site(**kafka)).kafka
    assert found is not None
    return found


def rights(**entry: Any) -> set[str]:
    """What one entry gives the user `orders`, in short."""
    made = set(acls("orders", Entry.model_validate(entry)))
    assert {acl.principal for acl in made} == {"User:orders"}
    return {f"{acl.operation} {acl.kind} {acl.name}{'*' * acl.prefix}" for acl in made}


def test_a_producer_has_what_kafka_acls_gives_it() -> None:
    entry = {
        "role": "producer",
        "topics": "orders",
        "transactional_ids": "orders-*",
        "idempotent": True,
    }
    assert rights(**entry) == {
        "Write topic orders", "Describe topic orders", "Create topic orders",
        "Write transactional_id orders-*", "Describe transactional_id orders-*",
        "IdempotentWrite cluster kafka-cluster",
    }  # fmt: skip


def test_a_consumer_reads_topics_and_its_group() -> None:
    assert rights(role="consumer", topics=["orders", "audit-*"], groups="billing") == {
        "Read topic orders", "Describe topic orders", "Read topic audit-*", "Describe topic audit-*",
        "Read group billing",
    }  # fmt: skip


def test_an_admin_manages_what_it_can_neither_read_nor_write() -> None:
    found = rights(role="admin", topics="*", groups="*", cluster=True)
    assert {"Delete topic *", "AlterConfigs topic *", "Alter cluster kafka-cluster"} < found
    assert not {"Read topic *", "Write topic *", "ClusterAction cluster kafka-cluster"} & found


def test_operations_hold_for_each_thing_named_and_each_host() -> None:
    entry = Entry.model_validate(
        {
            "operations": ["Read", "Describe"],
            "topics": ["a", "b"],
            "permission": "deny",
            "hosts": ["192.0.2.7", "*"],
        }
    )
    found = set(acls("u", entry))
    assert len(found) == 8
    assert AclBinding("User:u", "topic", "b", False, "Read", False, "192.0.2.7") in found


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("2001:DB8::7", "2001:db8:0:0:0:0:0:7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
    ],
)
def test_addresses_are_written_as_java_has_them(written: str, compared: str) -> None:
    entry = Entry.model_validate({"operations": "Read", "topics": "a", "hosts": written})
    assert {acl.host for acl in acls("u", entry)} == {compared}


def test_numbers_come_from_the_cluster_where_the_inventory_names_none() -> None:
    orders = {"password": "x", "iterations": 8192, "quotas": {"producer_byte_rate": 1000}}
    topics = {"a": {"partitions": 3, "config": {"retention.ms": 5, "preallocate": True}}}
    found = desired(
        cluster(
            users={**USERS, "orders": orders}, topics=topics, mechanisms=["SCRAM-SHA-256", "PLAIN"]
        )
    )
    assert found.users == {"admin": 4096, "check": 4096, "orders": 8192}
    assert (found.mechanisms, found.replication, found.brokers[2]) == (
        ("SCRAM-SHA-256",),
        3,
        "kafka2",
    )
    assert found.topics == {"a": TopicSpec(3, None, {"retention.ms": "5", "preallocate": "true"})}
    assert found.quotas == {"orders": {"producer_byte_rate": 1000.0}}
    assert found.super_users == {"User:admin"}


def test_with_plain_alone_there_is_no_user_to_make_but_rights_to_give() -> None:
    orders = {"password": "x", "acls": [{"operations": "Read", "topics": "a"}]}
    found = desired(cluster(users={**USERS, "orders": orders}, mechanisms="PLAIN"))
    assert (found.users, len(found.acls)) == ({}, 1)
