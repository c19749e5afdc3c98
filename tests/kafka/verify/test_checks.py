"""Which checks follow from an inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.inventory.kafka import KafkaCluster
from provision.kafka.verify.checks import MADE_UP, VerifyFacts, checks
from provision.kafka.verify.model import KafkaCheckResult
from tests.kafka.inventory import USERS, project

VIP = ("192.0.2.10", 9092)
ALL = VerifyFacts(frozenset(("orders", "audit-log", "payments")), frozenset())


@pytest.fixture
def cluster(tmp_path: Path) -> KafkaCluster:
    """Three brokers with TLS."""
    return cluster_of(tmp_path)


def cluster_of(folder: Path, **kafka: object) -> KafkaCluster:
    """The cluster of an inventory with these changes."""
    found = project(folder, **kafka).topology.kafka
    assert found
    return found


def planned(
    cluster: KafkaCluster, id_: str, user: str = "", facts: VerifyFacts = ALL
) -> list[KafkaCheckResult]:
    """The checks of a kind, of one user."""
    return [each for each in checks(cluster, [VIP], facts) if (each.id, each.user) == (id_, user)]


def test_each_broker_is_asked_who_it_is(cluster: KafkaCluster) -> None:
    found = planned(cluster, "node")
    assert [(each.address, each.accepts) for each in found] == [
        (("192.0.2.11", 9092), ("node 1",)), (("192.0.2.12", 9092), ("node 2",)), (("192.0.2.13", 9092), ("node 3",)),
    ]  # fmt: skip


def test_each_listener_is_asked_for_what_it_must_refuse(cluster: KafkaCluster) -> None:
    assert [each.names for each in planned(cluster, "mechanism-off")] == [
        ("PLAIN", "SCRAM-SHA-256")
    ] * 3
    assert len(planned(cluster, "no-login")) == len(planned(cluster, "no-tls")) == 3


def test_without_tls_nobody_asks_for_its_absence(tmp_path: Path) -> None:
    assert planned(cluster_of(tmp_path, tls=None), "no-tls") == []


def test_where_all_mechanisms_are_enabled_none_can_be_refused(tmp_path: Path) -> None:
    every = cluster_of(tmp_path, mechanisms=["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
    assert {each.skipped for each in planned(every, "mechanism-off")} == {
        "the inventory enables all that there are"
    }


def test_every_user_logs_in_through_the_vip_and_at_each_advertised_address(
    cluster: KafkaCluster,
) -> None:
    for user in USERS:
        assert [each.address for each in planned(cluster, "login", user)] == [
            VIP, ("192.0.2.11", 9092), ("192.0.2.12", 9092), ("192.0.2.13", 9092),
        ]  # fmt: skip
        assert [each.accepts for each in planned(cluster, "wrong-password", user)] == [
            ("SASL_AUTHENTICATION_FAILED",)
        ]


def test_a_login_is_tried_with_each_mechanism(tmp_path: Path) -> None:
    both = cluster_of(tmp_path, mechanisms=["SCRAM-SHA-512", "PLAIN"])
    assert {each.names for each in planned(both, "login", "check")} == {
        ("SCRAM-SHA-512",),
        ("PLAIN",),
    }
    assert [each.names for each in planned(both, "wrong-password", "check")] == [
        ("SCRAM-SHA-512",),
        ("PLAIN",),
    ]


def test_a_producer_writes_to_its_topics(cluster: KafkaCluster) -> None:
    assert [each.names for each in planned(cluster, "produce", "orders")] == [("orders",)]
    assert planned(cluster, "produce", "audit") == planned(cluster, "produce", "check") == []


def test_a_consumer_reads_what_it_may_with_its_group(cluster: KafkaCluster) -> None:
    (check,) = planned(cluster, "consume", "orders")
    assert (check.names, check.about) == (
        ("billing", "orders", "audit-log"),
        "orders, audit-log in group billing",
    )


def test_where_a_group_may_be_called_as_the_user_likes_it_is_one_of_our_own(
    cluster: KafkaCluster,
) -> None:
    assert [each.names for each in planned(cluster, "consume", "audit")] == [
        (f"audit-{MADE_UP}", "audit-log")
    ]


def test_what_may_be_read_without_a_group_is(tmp_path: Path) -> None:
    reader = {"password": "r", "acls": [{"operations": "Read", "topics": "orders"}]}
    found = cluster_of(tmp_path, users={**USERS, "reader": reader})
    assert [each.names for each in planned(found, "consume", "reader")] == [("", "orders")]


def test_a_topic_that_only_an_acl_names_may_be_missing_but_not_one_of_the_inventory(
    tmp_path: Path,
) -> None:
    user = {"password": "u", "acls": [{"role": "producer", "topics": ["later", "orders"]}]}
    found = cluster_of(tmp_path, users={**USERS, "user": user})
    there = planned(found, "produce", "user", VerifyFacts(frozenset(), frozenset()))
    assert [(each.about, each.skipped) for each in there] == [
        ("orders", ""),
        ("later", "there is no topic later"),
    ]


def test_what_no_acl_allows_is_tried(cluster: KafkaCluster) -> None:
    assert [each.names for each in planned(cluster, "write-denied", "orders")] == [
        ("audit-log", "payments", MADE_UP)
    ]
    assert [each.names for each in planned(cluster, "read-denied", "orders")] == [
        ("payments", MADE_UP)
    ]
    assert [each.names for each in planned(cluster, "group-denied", "audit")] == [
        ("billing", MADE_UP)
    ]
    assert [each.names for each in planned(cluster, "write-denied", "check")] == [
        ("orders", "audit-log", "payments", MADE_UP)
    ]


def test_who_may_do_everything_is_denied_nothing(tmp_path: Path) -> None:
    acls = [{"operations": "All", "topics": "*", "groups": "*"}]
    found = cluster_of(tmp_path, users={**USERS, "root": {"password": "r", "acls": acls}})
    for id_ in ("write-denied", "read-denied", "group-denied"):
        assert [
            each.skipped.partition(" all ")[0][:15] for each in planned(found, id_, "root")
        ] == ["its ACLs let it"]
    assert not any(
        each.id.endswith("-denied") for each in checks(found, [VIP], ALL) if each.user == "admin"
    )


def test_each_member_of_the_ensemble_is_written_to(tmp_path: Path) -> None:
    ensemble = {"hosts": "ensemble", "password": "d", "quorum_password": "q"}
    found = cluster_of(tmp_path, mode="zookeeper", zookeeper=ensemble)
    (check,) = planned(found, "zookeeper-write")
    assert (check.address, check.accepts[0]) == (
        ("192.0.2.21", 2181),
        "SESSIONCLOSEDREQUIRESASLAUTH",
    )
