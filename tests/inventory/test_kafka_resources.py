"""Kafka users, access rules, quotas and topics of an inventory: mistakes found without a broker."""

from __future__ import annotations

from typing import Any

import pytest

from provision.core.errors import InputError
from provision.inventory.kafka_topics import inherited, written
from provision.inventory.topology import build
from tests.inventory.test_kafka import USERS, refused, site

ORDERS = {
    "password": "0rders",
    "iterations": 8192,
    "acls": [
        {
            "role": "producer",
            "topics": "orders",
            "transactional_ids": "orders-*",
            "idempotent": True,
        },
        {"role": "consumer", "topics": ["orders", "audit-*"], "groups": "billing"},
        {"role": "admin", "topics": "audit-*", "groups": "*", "cluster": True},
        {
            "operations": ["Describe"],
            "topics": "orders",
            "permission": "deny",
            "hosts": "2001:DB8::7",
        },
    ],
    "quotas": {
        "producer_byte_rate": 1048576,
        "consumer_byte_rate": 2097152,
        "request_percentage": 50,
    },
}
TOPICS = {"orders": {"partitions": 6, "replicas": 3, "config": {"cleanup.policy": "compact"}}}


def test_access_rules_and_quotas_are_read() -> None:
    cluster = build(site(users={**USERS, "orders": ORDERS}, topics=TOPICS)).kafka
    assert cluster is not None
    user = cluster.model.users["orders"]
    assert [acl.topics for acl in user.acls] == [
        ("orders",),
        ("orders", "audit-*"),
        ("audit-*",),
        ("orders",),
    ]
    assert (user.acls[3].hosts, user.acls[0].hosts) == (("2001:db8::7",), ("*",))
    assert (user.quotas.request_percentage, user.iterations) == (50, 8192)
    assert cluster.model.topics["orders"].replicas == 3


@pytest.mark.parametrize(
    ("acl", "message"),
    [
        ({}, "kafka-acl: `acls`: an entry needs either `role` or `operations`"),
        (
            {"role": "producer", "operations": "Read", "topics": "a"},
            "kafka-acl: `acls`: an entry needs either `role` or `operations`",
        ),
        ({"role": "produce"}, "wrong-value: `role` cannot be `produce`"),
        ({"role": "producer"}, "kafka-acl: `acls`: `role: producer` needs `topics`"),
        (
            {"role": "producer", "topics": "a", "groups": "g"},
            "kafka-acl: `acls`: `groups` does not go with `role: producer`",
        ),
        ({"role": "consumer", "topics": "a"}, "kafka-acl: `acls`: `role: consumer` needs `groups`"),
        ({"role": "admin"}, "kafka-acl: `acls`: `role: admin` names no resource"),
        (
            {"role": "admin", "topics": "a", "permission": "deny"},
            "kafka-acl: `acls`: `permission: deny` does not go with a role",
        ),
        ({"operations": "Frob", "topics": "a"}, "wrong-value: `operations` cannot be `Frob`"),
        ({"operations": ["Read"]}, "kafka-acl: `acls`: these `operations` name no resource"),
        (
            {"operations": ["Describe", "Read"], "topics": "a", "cluster": True},
            "kafka-acl: `acls`: there is no operation Read on `cluster`",
        ),
        (
            {"operations": "Read", "topics": "a*b"},
            "kafka-acl-name: `topics`: 'a*b' is not a valid name",
        ),
        (
            {"operations": "Read", "topics": "a", "hosts": "web1"},
            "not-an-address: `hosts`: 'web1' is not an IP address",
        ),
        ({"operations": "Read", "topics": "a", "hosts": []}, "empty-list: `hosts` is empty"),
    ],
)
def test_an_access_rule_without_meaning_is_refused(acl: dict[str, Any], message: str) -> None:
    assert message in refused(users={**USERS, "orders": {"password": "x", "acls": [acl]}})


def test_access_rules_of_a_super_user_are_refused() -> None:
    users = {**USERS, "admin": {"password": "x", "acls": [{"operations": "Read", "topics": "a"}]}}
    assert refused(users=users) == ["kafka-acl: `admin` has `acls`"]
    users = {**users, "admin": {"password": "x"}, "second": users["admin"]}
    assert refused(users=users, super_users="second") == ["kafka-acl: `second` has `acls`"]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"iterations": 1000}, "out-of-range: `iterations` is 1000, it must be at least 4096"),
        ({"iterations": 20000}, "out-of-range: `iterations` is 20000, it must be at most 16384"),
        (
            {"quotas": {"producer_byte_rate": 0}},
            "out-of-range: `producer_byte_rate` is 0, it must be at least 1",
        ),
        ({"quotas": {"byte_rate": 1}}, "unknown-field: unknown field `byte_rate`"),
    ],
)
def test_numbers_that_kafka_would_refuse_are_refused(field: dict[str, Any], message: str) -> None:
    assert refused(users={**USERS, "orders": {"password": "x", **field}}) == [message]


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        ({"a b": {"partitions": 1}}, "kafka-topic-name: `a b`: a topic cannot be called 'a b'"),
        ({"..": {"partitions": 1}}, "kafka-topic-name: `..`: a topic cannot be called '..'"),
        (
            {"__consumer_offsets": {"partitions": 1}},
            "kafka-topic-name: `__consumer_offsets`: __consumer_offsets is a name for Kafka's "
            "internal topics",
        ),
        (
            {"a.b": {"partitions": 1}, "a_b": {"partitions": 1}},
            "kafka-topic-collision: a_b and a.b collide",
        ),
        ({"a": {}}, "missing-field: `partitions` is missing"),
        ({"a": {"partitions": 0}}, "out-of-range: `partitions` is 0, it must be at least 1"),
        (
            {"a": {"partitions": 1, "replicas": 4}},
            "kafka-topic-replicas: a needs 4 replicas, and there are 3 brokers",
        ),
        (
            {"a": {"partitions": 1, "config": {"retention.hours": 1}}},
            "kafka-topic-config-unknown: topics have no `retention.hours` in Kafka 3.9.1",
        ),
        (
            {"a": {"partitions": 1, "config": {"retention.ms": "1 h"}}},
            "kafka-topic-config-value: `retention.ms` of a must be a whole number",
        ),
        (
            {"a": {"partitions": 1, "config": {"cleanup.policy": "compact, keep"}}},
            "kafka-topic-config-value: `cleanup.policy` of a must be one of compact, delete",
        ),
    ],
)
def test_topics_that_kafka_would_refuse_are_refused(topics: dict[str, Any], message: str) -> None:
    assert refused(topics=topics) == [message]


def test_an_unknown_parameter_has_the_nearest_known_one_as_remedy() -> None:
    with pytest.raises(InputError) as caught:
        build(site(topics={"a": {"partitions": 1, "config": {"retention.mss": 1}}}))
    assert caught.value.problems[0].fix == "the nearest known one is `retention.ms`"


def test_values_are_written_in_kafkas_notation() -> None:
    assert [written(value) for value in (True, 9223372036854775807, 0.5, "compact, delete")] == [
        "true",
        "9223372036854775807",
        "0.5",
        "compact,delete",
    ]


def test_a_topic_inherits_its_defaults_from_broker_properties() -> None:
    assert inherited(
        {"log.retention.hours": 2, "log.cleanup.policy": "compact", "num.partitions": 3}
    ) == {
        "retention.ms": "7200000",
        "cleanup.policy": "compact",
    }
    assert inherited({"log.retention.hours": 2, "log.retention.ms": -1}) == {"retention.ms": "-1"}
