"""All rules over raw files of Kafka and ZooKeeper; the import registers them."""

from __future__ import annotations

from provision.checks.lint.kafka_files import (
    broker_rules,
    cleanup_rules,
    jaas_rules,
    login_rules,
    script_rules,
    zookeeper_rules,
)
from provision.checks.lint.kafka_files.registry import KAFKA, read

__all__ = [
    "KAFKA",
    "broker_rules",
    "cleanup_rules",
    "jaas_rules",
    "login_rules",
    "read",
    "script_rules",
    "zookeeper_rules",
]
