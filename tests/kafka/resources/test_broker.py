"""What the inventory wants comes to be on real brokers, once; drift is found by logging in; --prune takes away."""

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

pytestmark = pytest.mark.kafka

ORDERS: dict[str, Any] = {
    "password": "0rders", "iterations": 8192,
    "acls": [
        {"role": "producer", "topics": "orders", "transactional_ids": "orders-*", "idempotent": True},
        {"role": "consumer", "topics": ["orders", "audit-*"], "groups": "*"},
        {"operations": "All", "topics": "orders", "permission": "deny", "hosts": "2001:db8::7"},
    ],
    "quotas": {"producer_byte_rate": 1048576, "request_percentage": 12.5},
}  # fmt: skip
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
    "users": {**FIRST, "orders": ORDERS}, "topics": TOPICS, "mechanisms": ["SCRAM-SHA-512", "SCRAM-SHA-256"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificates of these clusters go with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@contextmanager
def serving(folder: Path, version: str, mode: str) -> Iterator[tuple[KafkaCluster, Login]]:
    """A broker that runs, the inventory's cluster and a login as its admin."""
    more: dict[str, Any] = {}
    if mode == "zookeeper":
        ensemble = {
            "hosts": "broker",
            "password": "d1gest",
            "quorum_password": "qu0rum",
            "port": free_ports(1)[0],
        }
        more = {"mode": mode, "zookeeper": ensemble}
    one: Broker = build(folder, version, **KAFKA, **more)
    one.write()
    log = folder / "ensemble.log"
    beside = (
        running(one.ensemble(), one.environment(), log) if mode == "zookeeper" else nullcontext()
    )
    with beside, started(one):
        tls = ssl.create_default_context(cafile=str(folder / "etc" / "ca.pem"))
        login = Login(
            (("127.0.0.1", one.port),), "SASL_SSL", "SCRAM-SHA-512", "admin", USERS["admin"], tls
        )
        cluster = load(folder / "inventory.yml").topology.kafka
        assert cluster
        yield cluster, login


def saying(cluster: KafkaCluster, **fields: Any) -> KafkaCluster:
    """The cluster of an inventory that says something else."""
    model = cluster.model.model_validate({**cluster.model.model_dump(exclude_unset=True), **fields})
    return replace(cluster, model=model)


def apply(cluster: KafkaCluster, login: Login, *, prune: bool = False) -> ClusterPlan:
    """What there was to do; all of it is done, and then nothing is left."""
    found = current_plan(cluster, login, prune)
    assert not found.refusals
    applied = apply_plan(cluster, login, found)
    assert applied.complete, applied.outcomes
    assert current_plan(cluster, login, prune).steps == ()
    return found


def shown(found: ClusterPlan) -> list[str]:
    """Each step in a line."""
    return [
        " ".join((each.change.action, each.change.kind, each.change.name)) for each in found.steps
    ]


def behind_its_back(login: Login, *operations: Operation) -> None:
    """Change the cluster with another tool, as it were."""
    with connected(login) as admin:
        for operation in operations:
            perform(admin, operation, {"old": "0ld", "orders": "0ther"})


def produce(login: Login, topic: str) -> str:
    """What becomes of one record that is written as this user: empty, or the error's name."""
    import kafka

    with_ = {
        "bootstrap_servers": [f"{host}:{port}" for host, port in login.bootstrap], "security_protocol": login.protocol,
        "sasl_mechanism": login.mechanism, "sasl_plain_username": login.user, "sasl_plain_password": login.password,
        "ssl_context": login.tls,
    }  # fmt: skip
    producer = kafka.KafkaProducer(**with_, acks="all", max_block_ms=10000)
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
def test_what_the_inventory_wants_comes_to_be_and_then_nothing_is_left_to_do(
    version: str, mode: str, tmp_path: Path
) -> None:
    with serving(tmp_path, version, mode) as (cluster, login):
        made = apply(cluster, login)
        assert shown(made)[:4] == [
            "create user orders", "create user orders", "create topic audit-log", "create topic orders",
        ]  # fmt: skip
        assert {step.change.kind for step in made.steps} == {"user", "topic", "acl", "quota"}
        orders = replace(login, user="orders", password="0rders")  # noqa: S106
        assert produce(orders, "orders") == ""
        assert produce(orders, "audit-log") == "TopicAuthorizationFailedError"
        assert_a_password_is_changed_only_when_it_does_not_fit(cluster, login, orders)
        assert_what_grows_and_changes(cluster, login)
        assert_only_prune_takes_away(cluster, login)


def assert_a_password_is_changed_only_when_it_does_not_fit(
    cluster: KafkaCluster, login: Login, orders: Login
) -> None:
    """Found by logging in, for each mechanism, whoever changed it."""
    behind_its_back(login, SetCredential("orders", "SCRAM-SHA-256", 8192))
    found = apply(cluster, login)
    assert [step.change.detail for step in found.steps] == ["SCRAM-SHA-256: another password"]
    other = saying(
        cluster, users={**FIRST, "orders": {**ORDERS, "password": "n3w", "iterations": 4096}}
    )
    found = apply(other, login)
    assert [step.change.detail for step in found.steps] == [
        "SCRAM-SHA-512: 8192 to 4096 iterations", "SCRAM-SHA-256: 8192 to 4096 iterations",
    ]  # fmt: skip
    assert not can_log_in(orders)
    assert can_log_in(replace(orders, password="n3w"))  # noqa: S106
    apply(cluster, login)
    assert can_log_in(orders)


def assert_what_grows_and_changes(cluster: KafkaCluster, login: Login) -> None:
    """Partitions and parameters; what is gone from the inventory is told and stays."""
    more = {
        "partitions": 5,
        "replicas": 1,
        "config": {"min.insync.replicas": 1, "segment.ms": 3600000},
    }
    grown = saying(cluster, topics={**TOPICS, "orders": more})
    found = apply(grown, login)
    assert [step.change.diff for step in found.steps] == [
        (),
        ("-segment.ms: 604800000  (the brokers')", "+segment.ms: 3600000"),
    ]
    assert "topic orders retention.ms" in found.unmanaged
    refused = current_plan(cluster, login, prune=False).refusals
    assert [each.what for each in refused] == ["orders has 5 partitions, the inventory 3"]


def assert_only_prune_takes_away(cluster: KafkaCluster, login: Login) -> None:
    """Everything that the inventory does not name, and nothing of the admin's."""
    topics = {**TOPICS, "orders": {**TOPICS["orders"], "partitions": 5}}
    wanted = saying(cluster, topics=topics)
    admin = AclBinding("User:admin", "topic", "*", False, "Read")
    old = AclBinding("User:old", "group", "g-", True, "Delete")
    more = AclBinding("User:orders", "cluster", "kafka-cluster", False, "DescribeConfigs")
    behind_its_back(
        login,
        SetCredential("old", "SCRAM-SHA-512", 4096),
        CreateTopic("left", TopicSpec(1, 1)),
        AddAcls((old, more, admin)),
        SetQuota("old", {"consumer_byte_rate": 5.0}),
        SetQuota("orders", {"consumer_byte_rate": 5.0}),
        SetConfig("audit-log", {"retention.ms": "5000"}),
    )
    kept = apply(wanted, login)
    assert (kept.steps, len(kept.unmanaged)) == ((), 8)
    gone = apply(wanted, login, prune=True)
    assert shown(gone) == [
        "remove quota old", "update quota orders", "remove acl old", "remove acl orders",
        "update topic orders", "update topic audit-log", "remove topic left", "remove user old",
    ]  # fmt: skip
    with connected(login) as client:
        from provision.kafka.resources.fetch import look

        seen = look(client, ())
    assert admin in seen.acls
    assert set(seen.users) == {"admin", "check", "orders"}
    assert set(seen.topics) == {"orders", "audit-log"}
