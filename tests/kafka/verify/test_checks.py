"""The checks that follow from an inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.inventory.kafka import KafkaCluster
from provision.kafka.verify.checks import PROBE_NAME, VerifyFacts, checks
from provision.kafka.verify.model import KafkaCheckResult
from tests.kafka.inventory import USERS, project

VIP = ("192.0.2.10", 9092)
ALL = VerifyFacts(frozenset(("orders", "audit-log", "payments")), frozenset())


@pytest.fixture
def cluster(tmp_path: Path) -> KafkaCluster:
    """Three brokers with TLS."""
    return cluster_of(tmp_path)


def cluster_of(folder: Path, **kafka: object) -> KafkaCluster:
    """Return the cluster of an inventory with these changes."""
    kafka_cluster = project(folder, **kafka).topology.kafka
    assert kafka_cluster
    return kafka_cluster


def planned(
    cluster: KafkaCluster, id_: str, user: str = "", facts: VerifyFacts = ALL
) -> list[KafkaCheckResult]:
    """Return the checks of a kind for a user."""
    return [
        check for check in checks(cluster, [VIP], facts) if (check.id, check.user) == (id_, user)
    ]


def test_every_broker_is_asked_for_its_id(cluster: KafkaCluster) -> None:
    assert [(check.address, check.accepts) for check in planned(cluster, "node")] == [
        (("192.0.2.11", 9092), ("node 1",)),
        (("192.0.2.12", 9092), ("node 2",)),
        (("192.0.2.13", 9092), ("node 3",)),
    ]


def test_every_listener_must_refuse_disabled_mechanisms_and_plain_connections(
    cluster: KafkaCluster,
) -> None:
    assert [check.names for check in planned(cluster, "mechanism-off")] == [
        ("PLAIN", "SCRAM-SHA-256")
    ] * 3
    assert len(planned(cluster, "no-login")) == len(planned(cluster, "no-tls")) == 3


def test_without_tls_in_the_inventory_there_is_no_check_without_tls(tmp_path: Path) -> None:
    assert planned(cluster_of(tmp_path, tls=None), "no-tls") == []


def test_if_all_mechanisms_are_enabled_the_check_is_skipped(tmp_path: Path) -> None:
    enabled = cluster_of(tmp_path, mechanisms=["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
    assert {check.skipped for check in planned(enabled, "mechanism-off")} == {
        "the inventory enables all mechanisms"
    }


def test_every_user_logs_in_through_the_vip_and_at_each_advertised_address(
    cluster: KafkaCluster,
) -> None:
    for user in USERS:
        assert [check.address for check in planned(cluster, "login", user)] == [
            VIP,
            ("192.0.2.11", 9092),
            ("192.0.2.12", 9092),
            ("192.0.2.13", 9092),
        ]
        assert [check.accepts for check in planned(cluster, "wrong-password", user)] == [
            ("SASL_AUTHENTICATION_FAILED",)
        ]


def test_a_user_logs_in_with_every_mechanism(tmp_path: Path) -> None:
    both = cluster_of(tmp_path, mechanisms=["SCRAM-SHA-512", "PLAIN"])
    assert {check.names for check in planned(both, "login", "check")} == {
        ("SCRAM-SHA-512",),
        ("PLAIN",),
    }
    assert [check.names for check in planned(both, "wrong-password", "check")] == [
        ("SCRAM-SHA-512",),
        ("PLAIN",),
    ]


def test_a_producer_writes_to_its_topics(cluster: KafkaCluster) -> None:
    assert [check.names for check in planned(cluster, "produce", "orders")] == [("orders",)]
    assert planned(cluster, "produce", "audit") == planned(cluster, "produce", "check") == []


def test_a_consumer_reads_what_it_may_with_its_group(cluster: KafkaCluster) -> None:
    (check,) = planned(cluster, "consume", "orders")
    assert (check.names, check.about) == (
        ("billing", "orders", "audit-log"),
        "orders, audit-log in group billing",
    )


def test_for_a_prefix_of_groups_the_check_uses_a_group_of_its_own(
    cluster: KafkaCluster,
) -> None:
    assert [check.names for check in planned(cluster, "consume", "audit")] == [
        (f"audit-{PROBE_NAME}", "audit-log")
    ]


def test_a_user_without_a_group_reads_without_one(tmp_path: Path) -> None:
    reader = {"password": "r", "acls": [{"operations": "Read", "topics": "orders"}]}
    changed = cluster_of(tmp_path, users={**USERS, "reader": reader})
    assert [check.names for check in planned(changed, "consume", "reader")] == [("", "orders")]


def test_a_missing_topic_is_skipped_if_only_an_acl_names_it(
    tmp_path: Path,
) -> None:
    user = {"password": "u", "acls": [{"role": "producer", "topics": ["later", "orders"]}]}
    changed = cluster_of(tmp_path, users={**USERS, "user": user})
    there = planned(changed, "produce", "user", VerifyFacts(frozenset(), frozenset()))
    assert [(check.about, check.skipped) for check in there] == [
        ("orders", ""),
        ("later", "there is no topic later"),
    ]


def test_operations_that_no_acl_allows_are_checks_too(cluster: KafkaCluster) -> None:
    assert [check.names for check in planned(cluster, "write-denied", "orders")] == [
        ("audit-log", "payments", PROBE_NAME)
    ]
    assert [check.names for check in planned(cluster, "read-denied", "orders")] == [
        ("payments", PROBE_NAME)
    ]
    assert [check.names for check in planned(cluster, "group-denied", "audit")] == [
        ("billing", PROBE_NAME)
    ]
    assert [check.names for check in planned(cluster, "write-denied", "check")] == [
        ("orders", "audit-log", "payments", PROBE_NAME)
    ]


def test_for_a_user_who_may_do_everything_denials_are_skipped(tmp_path: Path) -> None:
    acls = [{"operations": "All", "topics": "*", "groups": "*"}]
    changed = cluster_of(tmp_path, users={**USERS, "root": {"password": "r", "acls": acls}})
    for id_ in ("write-denied", "read-denied", "group-denied"):
        assert [
            check.skipped.partition(" all ")[0][:17] for check in planned(changed, id_, "root")
        ] == ["its ACLs allow it"]
    assert not any(
        check.id.endswith("-denied")
        for check in checks(changed, [VIP], ALL)
        if check.user == "admin"
    )


def test_every_zookeeper_member_must_refuse_a_write_without_a_login(tmp_path: Path) -> None:
    ensemble = {"hosts": "ensemble", "password": "d", "quorum_password": "q"}
    changed = cluster_of(tmp_path, mode="zookeeper", zookeeper=ensemble)
    (check,) = planned(changed, "zookeeper-write")
    assert (check.address, check.accepts[0]) == (
        ("192.0.2.21", 2181),
        "SESSIONCLOSEDREQUIRESASLAUTH",
    )
