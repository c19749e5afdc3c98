"""Cases with Kafka, and the smallest inventories."""

from __future__ import annotations

from tests.inventory.building import HOSTS, frontend, service
from tests.roles.keepalived_cases.case import (
    TIMING,
    Case,
)

KAFKA_HOSTS = {
    **HOSTS,
    "web1": {**HOSTS["web1"], "kafka_id": 1, "kafka_host": "kafka1.example.org", "zookeeper_id": 7},
    "web2": {**HOSTS["web2"], "kafka_id": 2, "zookeeper_id": 8},
}
KAFKA = {
    "version": "3.9.1",
    "brokers": "web",
    "port": 19092,
    "heap": "2g",
    "data": ["/data/1", "/data/2"],
    "users": {"admin": {"password": "secret"}, "check": {"password": "probe"}},
    "mechanisms": ["SCRAM-SHA-256", "PLAIN"],
    "properties": {"num.partitions": 5},
    "distribution": {"archive": "https://kafka.example.org/kafka.tgz", "sha512": "0" * 128},
}
KRAFT = {
    **KAFKA,
    "name": "orders",
    "mode": "kraft",
    "controllers": ["web1"],
    "controller_port": 19093,
    "admin": "check",
}
ENSEMBLE = {
    "hosts": "web",
    "password": "digest",
    "quorum_password": "quorum",
    "port": 12181,
    "peer_port": 12888,
    "election_port": 13888,
    "heap": "96m",
}
KAFKA_CHECK = {"type": "kafka", "login": "check", "timeout": 3, **TIMING}

CASES: dict[str, Case] = {
    "Kafka, KRaft": Case(
        [frontend(services=[service(port=19092, check=KAFKA_CHECK)])],
        hosts=KAFKA_HOSTS,
        common={"kafka": KRAFT},
    ),
    "Kafka, ZooKeeper": Case(
        [frontend(services=[service(port=19092, check=KAFKA_CHECK)])],
        hosts=KAFKA_HOSTS,
        common={"kafka": {**KAFKA, "mode": "zookeeper", "zookeeper": ENSEMBLE}},
    ),
    "lab": Case([frontend()]),
    "no services: VRRP alone": Case(
        [frontend(services=[])],
        hosts={name: {**variables, "hactl_roles": ["web"]} for name, variables in HOSTS.items()},
    ),
}
