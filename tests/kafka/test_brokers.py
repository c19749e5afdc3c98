"""Real brokers start from the rendered files, accept their users, and pass the director's check."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.kafka.cluster import USERS, Broker, broker, build, free_ports, running, started

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("state")]


def produce_and_consume(running_broker: Broker, mechanism: str) -> bytes:
    """Write a record and read it back with an independent client library; return its value."""
    import kafka

    options = {
        "bootstrap_servers": f"127.0.0.1:{running_broker.port}",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "admin",
        "sasl_plain_password": USERS["admin"],
        "ssl_cafile": str(running_broker.folder / "etc" / "ca.pem"),
    }
    admin = kafka.KafkaAdminClient(**options)
    admin.create_topics({"probe": {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = kafka.KafkaProducer(**options, acks="all")
    producer.send("probe", b"hello").get(20)
    producer.close()
    consumer = kafka.KafkaConsumer(
        "probe", **options, auto_offset_reset="earliest", consumer_timeout_ms=20000
    )
    value: bytes = next(iter(consumer)).value
    consumer.close()
    return value


def assert_check_names_reasons(running_broker: Broker) -> None:
    """The director's check names its reason for every wrong setting."""
    assert running_broker.ready() == (0, "broker is ready\n")
    code, text = running_broker.ready(password="wrong")  # noqa: S106
    assert code == 1
    assert "login refused: Authentication failed" in text
    code, text = running_broker.ready(id=8)
    assert (code, text.strip()) == (
        1,
        "broker is not ready: broker 8 is not in its own metadata, which has [7]",
    )
    code, text = running_broker.ready(mechanism="SCRAM-SHA-256")
    assert (code, text.strip()) == (1, "broker is not ready: SCRAM-SHA-256 is not enabled")
    code, text = running_broker.ready(name="other.example.org")
    assert code == 1
    assert "certificate verify failed" in text


@pytest.mark.parametrize("version", ["3.9.1", "4.1.0"])
def test_a_kraft_broker_starts_with_its_users_and_serves(version: str, tmp_path: Path) -> None:
    with broker(tmp_path, version) as running_broker:
        assert produce_and_consume(running_broker, "SCRAM-SHA-512") == b"hello"
        assert_check_names_reasons(running_broker)
        assert not re.search("|".join(map(re.escape, USERS.values())), running_broker.log())
    assert running_broker.ready()[0] == 1
    properties = (tmp_path / "data" / "meta.properties").read_text()
    running_broker.log()
    with running(
        ["sh", str(tmp_path / "etc" / "kafka-run")], running_broker.environment(), tmp_path / "log2"
    ):
        pass
    assert (tmp_path / "data" / "meta.properties").read_text() == properties, (
        "a second start formats nothing"
    )


def test_a_broker_accepts_plain_beside_scram(tmp_path: Path) -> None:
    with broker(tmp_path, "4.1.0", mechanisms=["SCRAM-SHA-256", "PLAIN"]) as running_broker:
        assert produce_and_consume(running_broker, "PLAIN") == b"hello"
        assert running_broker.ready(mechanism="PLAIN")[0] == 0


def zookeeper(running_broker: Broker, port: int, *words: str, login: str = "") -> str:
    """Run a command of ZooKeeper's own client and return its output."""
    argv = ["java", *([f"-Djava.security.auth.login.config={login}"] if login else [])]
    argv += ["org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", *words]
    result = subprocess.run(
        argv,
        env=running_broker.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.stdout + result.stderr


def test_with_zookeeper_the_users_exist_before_the_broker(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    ensemble = {"hosts": "broker", "password": "d1gest", "quorum_password": "qu0rum", "port": port}
    running_broker = build(tmp_path, "3.9.1", mode="zookeeper", zookeeper=ensemble)
    running_broker.write()
    with (
        running(running_broker.ensemble(), running_broker.environment(), tmp_path / "ensemble.log"),
        started(running_broker),
    ):
        assert produce_and_consume(running_broker, "SCRAM-SHA-512") == b"hello"
        assert_check_names_reasons(running_broker)
        refused = zookeeper(running_broker, port, "create", "/intruder")
        login = str(tmp_path / "etc" / "jaas.conf")
        assert "/intruder" not in zookeeper(running_broker, port, "ls", "/", login=login), refused
        assert "Created /guest" in zookeeper(running_broker, port, "create", "/guest", login=login)
        assert "'sasl,'kafka" in zookeeper(
            running_broker, port, "getAcl", "/brokers/topics", login=login
        )
        log = running_broker.log() + (tmp_path / "ensemble.log").read_text()
        assert not re.search("|".join(map(re.escape, [*USERS.values(), "d1gest", "qu0rum"])), log)
