"""Every rule about Kafka with an example that breaks it, and a sound cluster that does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provision.checks.lint.rules import RULES, findings
from provision.core.shipped import shipped
from provision.formats import certificates
from provision.inventory.model.kafka import GENERATED
from provision.inventory.reader import read_inventory
from provision.inventory.templating import resolve_inventory
from provision.inventory.topology import build
from tests.inventory.building import frontend, inventory, service

USERS = {"admin": {"password": "secret"}, "check": {"password": "probe"}}
KAFKA: Mapping[str, Any] = {
    "version": "3.9.1",
    "brokers": "brokers",
    "users": USERS,
    "tls": GENERATED,
    "distribution": {"jars": "/opt/kafka"},
}
HOSTS: Mapping[str, Mapping[str, Any]] = {
    "lvs1": {"ansible_host": "192.168.227.101"},
    "lvs2": {"ansible_host": "192.168.227.102"},
    **{
        f"kafka{number}": {"ansible_host": f"192.168.227.{110 + number}", "kafka_id": number}
        for number in (1, 2, 3)
    },
}
BROKERS = ("kafka1", "kafka2", "kafka3")
GROUPS = {"directors": ("lvs1", "lvs2"), "brokers": BROKERS}
ENSEMBLE = {"hosts": ["kafka1"], "password": "digest", "quorum_password": "quorum"}


def rules_broken(
    kafka: Mapping[str, Any] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> list[str]:
    """The rules that the cluster breaks with changes to `kafka`, to hosts and to the service."""
    common = {
        "port": 9092,
        "real_servers": "brokers",
        "check": {"type": "kafka", "login": "check"},
        **changes,
    }
    changed = {
        name: {**variables, **(hosts or {}).get(name, {})} for name, variables in HOSTS.items()
    }
    kafka_inventory = inventory(
        [frontend(services=[service(**common)])], changed, GROUPS, kafka={**KAFKA, **(kafka or {})}
    )
    return [finding.problem.rule for finding in findings(build(kafka_inventory))]


BROKEN: dict[str, dict[str, Any]] = {
    "kafka-vip-advertised": {"hosts": {"kafka2": {"kafka_host": "192.168.227.10"}}},
    "kafka-advertised-twice": {
        "hosts": {name: {"kafka_host": "kafka.example.org"} for name in BROKERS[:2]}
    },
    "kafka-loopback-advertised": {"hosts": {"kafka1": {"kafka_host": "localhost"}}},
    "kafka-port": {"kafka": {"port": 19092}},
    "kafka-shallow-check": {"check": {"type": "tcp"}},
    "kafka-idle-timeout": {"hosts": {"lvs2": {"keepalived": {"lvs_timeouts": {"tcp": 600}}}}},
    "kafka-replication": {"kafka": {"properties": {"offsets.topic.replication.factor": 4}}},
    "kafka-min-isr": {"kafka": {"properties": {"min.insync.replicas": 3}}},
    "kafka-topic-min-isr": {
        "kafka": {"topics": {"orders": {"partitions": 1, "config": {"min.insync.replicas": 3}}}}
    },
    "kafka-topic-refused": {
        "kafka": {
            "topics": {
                "a": {
                    "partitions": 1,
                    "config": {
                        "cleanup.policy": "compact",
                        "min.compaction.lag.ms": 2000,
                        "max.compaction.lag.ms": 1000,
                    },
                }
            }
        },
    },
    "kafka-topic-parameters": {
        "kafka": {
            "topics": {
                "a": {
                    "partitions": 1,
                    "config": {"cleanup.policy": "compact", "retention.ms": 60000},
                }
            }
        },
    },
    "kafka-even-quorum": {"kafka": {"controllers": ["kafka1", "kafka2"]}},
    "kafka-plain-in-clear": {"kafka": {"tls": None}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_finds_its_mistake_and_nothing_else(name: str) -> None:
    assert rules_broken(**BROKEN[name]) == [name]


SOUND: dict[str, dict[str, Any]] = {
    "unchanged": {},
    "advertised names": {
        "hosts": {name: {"kafka_host": f"{name}.example.org"} for name in BROKERS}
    },
    "another port on both sides": {"kafka": {"port": 19092}, "port": 19092},
    "the operator's check program": {"check": {"type": "misc", "script": "/usr/local/bin/ready"}},
    "a longer time-out": {"hosts": {"lvs2": {"keepalived": {"lvs_timeouts": {"tcp": 601}}}}},
    "a single controller": {"kafka": {"controllers": ["kafka1"]}},
    "SCRAM without TLS, with ZooKeeper": {
        "kafka": {"tls": None, "mode": "zookeeper", "zookeeper": ENSEMBLE},
        "hosts": {"kafka1": {"zookeeper_id": 1}},
    },
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_cluster_breaks_no_rule(name: str) -> None:
    assert rules_broken(**SOUND[name]) == []


def test_a_cluster_without_a_front_end_is_reported() -> None:
    no_services = inventory([frontend(services=[])], HOSTS, GROUPS, kafka=KAFKA)
    assert [finding.problem.rule for finding in findings(build(no_services))] == [
        "kafka-not-behind-vip"
    ]


def rules_broken_with_certificates(
    folder: Path, monkeypatch: pytest.MonkeyPatch, names: Mapping[str, str], days: int
) -> list[str]:
    """The rules that the cluster breaks with provided certificates for names and days."""
    monkeypatch.setattr(certificates, "DAYS", days + 1 / 24)  # the CA is an hour old
    monkeypatch.setattr(certificates, "RENEW", timedelta())
    signing = certificates.make("given")
    for host in BROKERS:
        (folder / f"{host}.pem").write_text(
            certificates.issue(signing, host, frozenset((names["vip"], names[host])))
        )
    return rules_broken({"tls": str(folder)})


ADDRESSES = {
    "vip": "192.168.227.10",
    **{host: str(HOSTS[host]["ansible_host"]) for host in BROKERS},
}


def test_matching_certificates_break_no_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rules_broken_with_certificates(tmp_path, monkeypatch, ADDRESSES, 90) == []


def test_a_certificate_without_the_bootstrap_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {**ADDRESSES, "vip": "kafka.example.org"}
    assert (
        rules_broken_with_certificates(tmp_path, monkeypatch, names, 90)
        == ["kafka-certificate-names"] * 3
    )


@pytest.mark.parametrize(("days", "broken"), [(29, ["kafka-certificate-ends"]), (31, [])])
def test_a_ca_that_expires_soon(
    days: int, broken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "CA_DAYS", days)
    signing = certificates.make("given")
    assert rules_broken({"tls": {"ca": signing.trusted, "key": signing.key}}) == broken


def test_a_certificate_that_expires_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        rules_broken_with_certificates(tmp_path, monkeypatch, ADDRESSES, 29)
        == ["kafka-certificate-ends"] * 3
    )
    remaining = certificates.facts((tmp_path / "kafka1.pem").read_text()).not_after - datetime.now(
        UTC
    )
    assert timedelta(days=28) < remaining < timedelta(days=29)


def test_every_rule_about_kafka_has_an_example() -> None:
    others = {"kafka-not-behind-vip", "kafka-certificate-names", "kafka-certificate-ends"}
    assert {rule.id for rule in RULES if rule.id.startswith("kafka-")} == {*BROKEN, *others}


@pytest.mark.parametrize("name", ["kafka", "kafka-zookeeper"])
def test_the_shipped_examples_break_no_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ADMIN", "CHECK", "ORDERS", "BILLING", "ZOOKEEPER", "QUORUM"):
        monkeypatch.setenv(f"HACTL_KAFKA_{variable}", f"secret-{variable.lower()}")
    example = resolve_inventory(read_inventory(shipped("inventories") / f"{name}.yml"))
    assert findings(build(example)) == []


@pytest.mark.parametrize(
    ("topic", "properties", "broken"),
    [
        ({"replicas": 1}, {}, ["kafka-topic-min-isr"]),  # the brokers require two in sync
        ({"replicas": 1, "config": {"min.insync.replicas": 1}}, {}, []),
        ({"replicas": 2, "config": {"min.insync.replicas": 2}}, {}, ["kafka-topic-min-isr"]),
        ({"config": {"min.insync.replicas": 2}}, {"default.replication.factor": 3}, []),
        (
            {"config": {"cleanup.policy": "compact", "min.compaction.lag.ms": 2000}},
            {"log.cleaner.max.compaction.lag.ms": 1000},
            ["kafka-topic-refused"],
        ),
        ({"config": {"cleanup.policy": "compact,delete", "retention.ms": 864000000}}, {}, []),
        (
            {"config": {"retention.ms": 1000}},
            {
                "log.roll.ms": 500,
                "log.segment.bytes": 2000000,
                "log.retention.check.interval.ms": 900,
            },
            [],
        ),
    ],
)
def test_a_topic_is_checked_together_with_parameters_of_the_brokers(
    topic: dict[str, Any], properties: dict[str, Any], broken: list[str]
) -> None:
    topics = {"orders": {"partitions": 3, **topic}}
    assert rules_broken({"topics": topics, "properties": properties}) == broken
