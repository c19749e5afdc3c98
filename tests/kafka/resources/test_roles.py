"""Roles create the same ACLs as Kafka's kafka-acls."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provision.desired.kafka_distribution import collect
from provision.formats import jaas
from provision.formats.jaas import SCRAM
from provision.formats.properties import write
from provision.inventory.model.kafka_user import Acl as Entry
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.resources.desired import acls
from provision.kafka.resources.fetch import look
from tests.kafka.cluster import CACHE, USERS, broker

pytestmark = pytest.mark.kafka

VERSION = "3.9.1"
CASES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "one": (
        "--producer --topic orders --transactional-id tx- --idempotent",
        {"role": "producer", "topics": "orders", "transactional_ids": "tx-", "idempotent": True},
    ),
    "two": (
        "--producer --topic audit- --resource-pattern-type prefixed",
        {"role": "producer", "topics": "audit-*"},
    ),
    "three": (
        "--consumer --topic orders --group billing --allow-host 192.0.2.7",
        {"role": "consumer", "topics": "orders", "groups": "billing", "hosts": ["192.0.2.7"]},
    ),
    "four": ("--consumer --topic * --group *", {"role": "consumer", "topics": "*", "groups": "*"}),
}


def test_roles_create_the_same_acls_as_kafka_acls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with broker(tmp_path, VERSION) as running_broker:
        ca = str(tmp_path / "etc" / "ca.pem")
        login_module = jaas.LoginModule(SCRAM, {"username": "admin", "password": USERS["admin"]})
        config = tmp_path / "admin.properties"
        properties = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": ca,
            "sasl.jaas.config": jaas.property_value(login_module),
        }
        config.write_bytes(write(properties))
        tool = ["java", "-Xmx128m", "-cp", f"{collect(VERSION, CACHE, print)}/*"]
        tool += ["kafka.admin.AclCommand", "--bootstrap-server", f"127.0.0.1:{running_broker.port}"]
        tool += ["--command-config", str(config), "--add"]
        for user, (words, _) in CASES.items():
            argv = [*tool, "--allow-principal", f"User:{user}", *words.split()]
            subprocess.run(argv, check=True, capture_output=True, timeout=60)
        tls = ssl.create_default_context(cafile=ca)
        login = Login(
            (("127.0.0.1", running_broker.port),),
            "SASL_SSL",
            "SCRAM-SHA-512",
            "admin",
            USERS["admin"],
            tls,
        )
        observed = ask(login, lambda admin: look(admin, ())).acls
    for user, (_, entry) in CASES.items():
        assert {acl for acl in observed if acl.principal == f"User:{user}"} == set(
            acls(user, Entry.model_validate(entry))
        )
