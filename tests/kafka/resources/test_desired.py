"""The desired state from an inventory: roles as in kafka-acls, names, addresses, numbers."""

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
    """Return the usual cluster of three brokers, with changes."""
    kafka_cluster = build(site(**kafka)).kafka
    assert kafka_cluster is not None
    return kafka_cluster


def acls_of(**entry: Any) -> set[str]:
    """Return the ACLs of an entry for the user `orders`, in short."""
    bindings = set(acls("orders", Entry.model_validate(entry)))
    assert {acl.principal for acl in bindings} == {"User:orders"}
    return {f"{acl.operation} {acl.kind} {acl.name}{'*' * acl.prefix}" for acl in bindings}


def test_a_producer_has_the_acls_of_kafka_acls() -> None:
    entry = {
        "role": "producer",
        "topics": "orders",
        "transactional_ids": "orders-*",
        "idempotent": True,
    }
    assert acls_of(**entry) == {
        "Write topic orders",
        "Describe topic orders",
        "Create topic orders",
        "Write transactional_id orders-*",
        "Describe transactional_id orders-*",
        "IdempotentWrite cluster kafka-cluster",
    }


def test_a_consumer_reads_topics_and_its_group() -> None:
    assert acls_of(role="consumer", topics=["orders", "audit-*"], groups="billing") == {
        "Read topic orders",
        "Describe topic orders",
        "Read topic audit-*",
        "Describe topic audit-*",
        "Read group billing",
    }


def test_an_admin_manages_topics_but_can_neither_read_nor_write_them() -> None:
    admin = acls_of(role="admin", topics="*", groups="*", cluster=True)
    assert {"Delete topic *", "AlterConfigs topic *", "Alter cluster kafka-cluster"} < admin
    assert not {"Read topic *", "Write topic *", "ClusterAction cluster kafka-cluster"} & admin


def test_there_is_an_acl_for_every_operation_name_and_host() -> None:
    entry = Entry.model_validate(
        {
            "operations": ["Read", "Describe"],
            "topics": ["a", "b"],
            "permission": "deny",
            "hosts": ["192.0.2.7", "*"],
        }
    )
    bindings = set(acls("u", entry))
    assert len(bindings) == 8
    assert AclBinding("User:u", "topic", "b", False, "Read", False, "192.0.2.7") in bindings


@pytest.mark.parametrize(
    ("address", "compared"),
    [
        ("2001:DB8::7", "2001:db8:0:0:0:0:0:7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
    ],
)
def test_addresses_have_javas_form(address: str, compared: str) -> None:
    entry = Entry.model_validate({"operations": "Read", "topics": "a", "hosts": address})
    assert {acl.host for acl in acls("u", entry)} == {compared}


def test_numbers_that_are_not_in_the_inventory_come_from_the_cluster() -> None:
    orders = {"password": "x", "iterations": 8192, "quotas": {"producer_byte_rate": 1000}}
    topics = {"a": {"partitions": 3, "config": {"retention.ms": 5, "preallocate": True}}}
    desired_cluster = desired(
        cluster(
            users={**USERS, "orders": orders}, topics=topics, mechanisms=["SCRAM-SHA-256", "PLAIN"]
        )
    )
    assert desired_cluster.users == {"admin": 4096, "check": 4096, "orders": 8192}
    assert (
        desired_cluster.mechanisms,
        desired_cluster.replication,
        desired_cluster.brokers[2],
    ) == (
        ("SCRAM-SHA-256",),
        3,
        "kafka2",
    )
    assert desired_cluster.topics == {
        "a": TopicSpec(3, None, {"retention.ms": "5", "preallocate": "true"})
    }
    assert desired_cluster.quotas == {"orders": {"producer_byte_rate": 1000.0}}
    assert desired_cluster.super_users == {"User:admin"}


def test_with_only_plain_there_are_no_users_but_acls() -> None:
    orders = {"password": "x", "acls": [{"operations": "Read", "topics": "a"}]}
    desired_cluster = desired(cluster(users={**USERS, "orders": orders}, mechanisms="PLAIN"))
    assert (desired_cluster.users, len(desired_cluster.acls)) == ({}, 1)
