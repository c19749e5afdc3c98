"""Plans applied to real brokers: all resources, drift of passwords, and --prune."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.deploy.project import load
from provision.inventory.kafka import KafkaCluster
from provision.kafka.admin import connected
from provision.kafka.client_file import Login
from provision.kafka.resources.cluster_plan import apply_plan, current_plan
from provision.kafka.resources.model import AclBinding, TopicSpec
from provision.kafka.resources.observe import can_log_in
from provision.kafka.resources.plan import (
    AddAcls,
    ClusterPlan,
    CreateTopic,
    Operation,
    SetConfig,
    SetCredential,
    SetQuota,
)
from provision.kafka.resources.requests import perform
from tests.kafka.cluster import USERS, Broker, build, free_ports, running, started

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("state")]

ORDERS: dict[str, Any] = {
    "password": "0rders",
    "iterations": 8192,
    "acls": [
        {
            "role": "producer",
            "topics": "orders",
            "transactional_ids": "orders-*",
            "idempotent": True,
        },
        {"role": "consumer", "topics": ["orders", "audit-*"], "groups": "*"},
        {"operations": "All", "topics": "orders", "permission": "deny", "hosts": "2001:db8::7"},
    ],
    "quotas": {"producer_byte_rate": 1048576, "request_percentage": 12.5},
}
FIRST = {name: {"password": password} for name, password in USERS.items()}
TOPICS = {
    "orders": {
        "partitions": 3,
        "replicas": 1,
        "config": {"min.insync.replicas": 1, "retention.ms": 86400000},
    },
    "audit-log": {
        "partitions": 1,
        "config": {"cleanup.policy": "compact,delete", "min.cleanable.dirty.ratio": 0.25},
    },
}
KAFKA: dict[str, Any] = {
    "users": {**FIRST, "orders": ORDERS},
    "topics": TOPICS,
    "mechanisms": ["SCRAM-SHA-512", "SCRAM-SHA-256"],
}


@contextmanager
def serving(folder: Path, version: str, mode: str) -> Iterator[tuple[KafkaCluster, Login]]:
    """Start a broker; yield the inventory's cluster and a login as its admin."""
    more: dict[str, Any] = {}
    if mode == "zookeeper":
        ensemble = {
            "hosts": "broker",
            "password": "d1gest",
            "quorum_password": "qu0rum",
            "port": free_ports(1)[0],
        }
        more = {"mode": mode, "zookeeper": ensemble}
    running_broker: Broker = build(folder, version, **KAFKA, **more)
    running_broker.write()
    log = folder / "ensemble.log"
    zookeeper_process = (
        running(running_broker.ensemble(), running_broker.environment(), log)
        if mode == "zookeeper"
        else nullcontext()
    )
    with zookeeper_process, started(running_broker):
        tls = ssl.create_default_context(cafile=str(folder / "etc" / "ca.pem"))
        login = Login(
            (("127.0.0.1", running_broker.port),),
            "SASL_SSL",
            "SCRAM-SHA-512",
            "admin",
            USERS["admin"],
            tls,
        )
        cluster = load(folder / "inventory.yml").topology.kafka
        assert cluster
        yield cluster, login


def with_fields(cluster: KafkaCluster, **fields: Any) -> KafkaCluster:
    """Return the cluster with other fields in its inventory."""
    model = cluster.model.model_validate({**cluster.model.model_dump(exclude_unset=True), **fields})
    return replace(cluster, model=model)


def apply(cluster: KafkaCluster, login: Login, *, prune: bool = False) -> ClusterPlan:
    """Apply and return the plan, and check that nothing is left to do."""
    cluster_plan = current_plan(cluster, login, prune)
    assert not cluster_plan.refusals
    applied = apply_plan(cluster, login, cluster_plan)
    assert applied.complete, applied.outcomes
    assert current_plan(cluster, login, prune).steps == ()
    return cluster_plan


def summaries(cluster_plan: ClusterPlan) -> list[str]:
    """Return a line for every step."""
    changes = (step.change for step in cluster_plan.steps)
    return [" ".join((change.action, change.kind, change.name)) for change in changes]


def change_directly(login: Login, *operations: Operation) -> None:
    """Change the cluster without the inventory."""
    with connected(login) as admin:
        for operation in operations:
            perform(admin, operation, {"old": "0ld", "orders": "0ther"})


def produce(login: Login, topic: str) -> str:
    """Write a record as this user, and return the error's name, empty for none."""
    import kafka

    options = {
        "bootstrap_servers": [f"{host}:{port}" for host, port in login.bootstrap],
        "security_protocol": login.protocol,
        "sasl_mechanism": login.mechanism,
        "sasl_plain_username": login.user,
        "sasl_plain_password": login.password,
        "ssl_context": login.tls,
    }
    producer = kafka.KafkaProducer(**options, acks="all", max_block_ms=10000)
    try:
        producer.send(topic, b"value").get(10)
    except kafka.errors.KafkaError as error:
        return type(error).__name__
    finally:
        producer.close()
    return ""


@pytest.mark.parametrize(
    ("version", "mode"), [("3.9.1", "kraft"), ("4.1.0", "kraft"), ("3.9.1", "zookeeper")]
)
def test_an_apply_creates_all_resources_and_then_nothing_is_left_to_do(
    version: str, mode: str, tmp_path: Path
) -> None:
    with serving(tmp_path, version, mode) as (cluster, login):
        cluster_plan = apply(cluster, login)
        assert summaries(cluster_plan)[:4] == [
            "create user orders",
            "create user orders",
            "create topic audit-log",
            "create topic orders",
        ]
        assert {step.change.kind for step in cluster_plan.steps} == {
            "user",
            "topic",
            "acl",
            "quota",
        }
        orders = replace(login, user="orders", password="0rders")  # noqa: S106
        assert produce(orders, "orders") == ""
        assert produce(orders, "audit-log") == "TopicAuthorizationFailedError"
        assert_a_password_is_changed_only_when_it_does_not_fit(cluster, login, orders)
        assert_what_grows_and_changes(cluster, login)
        assert_only_prune_takes_away(cluster, login)


def assert_a_password_is_changed_only_when_it_does_not_fit(
    cluster: KafkaCluster, login: Login, orders: Login
) -> None:
    """A test login for every mechanism finds a changed password."""
    change_directly(login, SetCredential("orders", "SCRAM-SHA-256", 8192))
    cluster_plan = apply(cluster, login)
    assert [step.change.detail for step in cluster_plan.steps] == [
        "SCRAM-SHA-256: another password"
    ]
    other = with_fields(
        cluster, users={**FIRST, "orders": {**ORDERS, "password": "n3w", "iterations": 4096}}
    )
    cluster_plan = apply(other, login)
    assert [step.change.detail for step in cluster_plan.steps] == [
        "SCRAM-SHA-512: 8192 to 4096 iterations",
        "SCRAM-SHA-256: 8192 to 4096 iterations",
    ]
    assert not can_log_in(orders)
    assert can_log_in(replace(orders, password="n3w"))  # noqa: S106
    apply(cluster, login)
    assert can_log_in(orders)


def assert_what_grows_and_changes(cluster: KafkaCluster, login: Login) -> None:
    """Partitions and parameters change; a parameter that left the inventory stays and is listed."""
    more = {
        "partitions": 5,
        "replicas": 1,
        "config": {"min.insync.replicas": 1, "segment.ms": 3600000},
    }
    grown = with_fields(cluster, topics={**TOPICS, "orders": more})
    cluster_plan = apply(grown, login)
    assert [step.change.diff for step in cluster_plan.steps] == [
        (),
        ("-segment.ms: 604800000  (the brokers')", "+segment.ms: 3600000"),
    ]
    assert "topic orders retention.ms" in cluster_plan.unmanaged
    refused = current_plan(cluster, login, prune=False).refusals
    assert [refusal.what for refusal in refused] == ["orders has 5 partitions, the inventory 3"]


def assert_only_prune_takes_away(cluster: KafkaCluster, login: Login) -> None:
    """Only --prune deletes unmanaged resources, and it deletes none of the admin's."""
    topics = {**TOPICS, "orders": {**TOPICS["orders"], "partitions": 5}}
    changed = with_fields(cluster, topics=topics)
    admin = AclBinding("User:admin", "topic", "*", False, "Read")
    old = AclBinding("User:old", "group", "g-", True, "Delete")
    more = AclBinding("User:orders", "cluster", "kafka-cluster", False, "DescribeConfigs")
    change_directly(
        login,
        SetCredential("old", "SCRAM-SHA-512", 4096),
        CreateTopic("left", TopicSpec(1, 1)),
        AddAcls((old, more, admin)),
        SetQuota("old", {"consumer_byte_rate": 5.0}),
        SetQuota("orders", {"consumer_byte_rate": 5.0}),
        SetConfig("audit-log", {"retention.ms": "5000"}),
    )
    unpruned = apply(changed, login)
    assert (unpruned.steps, len(unpruned.unmanaged)) == ((), 8)
    pruned = apply(changed, login, prune=True)
    assert summaries(pruned) == [
        "remove quota old",
        "update quota orders",
        "remove acl old",
        "remove acl orders",
        "update topic orders",
        "update topic audit-log",
        "remove topic left",
        "remove user old",
    ]
    with connected(login) as client:
        from provision.kafka.resources.fetch import look

        observed = look(client, ())
    assert admin in observed.acls
    assert set(observed.users) == {"admin", "check", "orders"}
    assert set(observed.topics) == {"orders", "audit-log"}
