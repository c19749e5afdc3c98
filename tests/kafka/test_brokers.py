"""Real brokers start from the rendered files, let their users in, and the director's check tells ready from not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.kafka.cluster import USERS, Broker, broker, build, free_ports, running, started

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificates of these clusters go with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def produce_and_consume(one: Broker, mechanism: str) -> bytes:
    """What a consumer reads of what a producer wrote, both logged in by an independent client library."""
    import kafka

    options = {
        "bootstrap_servers": f"127.0.0.1:{one.port}", "security_protocol": "SASL_SSL", "sasl_mechanism": mechanism,
        "sasl_plain_username": "admin", "sasl_plain_password": USERS["admin"],
        "ssl_cafile": str(one.folder / "etc" / "ca.pem"),
    }  # fmt: skip
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


def assert_check_tells(one: Broker) -> None:
    """The check's reasons, one by one."""
    assert one.ready() == (0, "broker is ready\n")
    code, said = one.ready(password="wrong")  # noqa: S106
    assert code == 1
    assert "login refused: Authentication failed" in said
    code, said = one.ready(id=8)
    assert (code, said.strip()) == (
        1,
        "broker is not ready: broker 8 is not in its own metadata, which has [7]",
    )
    code, said = one.ready(mechanism="SCRAM-SHA-256")
    assert (code, said.strip()) == (1, "broker is not ready: SCRAM-SHA-256 is not enabled")
    code, said = one.ready(name="other.example.org")
    assert code == 1
    assert "certificate verify failed" in said


@pytest.mark.parametrize("version", ["3.9.1", "4.1.0"])
def test_a_kraft_broker_starts_with_its_users_and_serves(version: str, tmp_path: Path) -> None:
    with broker(tmp_path, version) as one:
        assert produce_and_consume(one, "SCRAM-SHA-512") == b"hello"
        assert_check_tells(one)
        assert not re.search("|".join(map(re.escape, USERS.values())), one.log())
    assert one.ready()[0] == 1
    with_data = (tmp_path / "data" / "meta.properties").read_text()
    one.log()
    with running(["sh", str(tmp_path / "etc" / "kafka-run")], one.environment(), tmp_path / "log2"):
        pass
    assert (tmp_path / "data" / "meta.properties").read_text() == with_data, (
        "a second start formats nothing"
    )


def test_plain_is_let_in_beside_scram(tmp_path: Path) -> None:
    with broker(tmp_path, "4.1.0", mechanisms=["SCRAM-SHA-256", "PLAIN"]) as one:
        assert produce_and_consume(one, "PLAIN") == b"hello"
        assert one.ready(mechanism="PLAIN")[0] == 0


def zookeeper(one: Broker, port: int, *words: str, login: str = "") -> str:
    """What ZooKeeper's own client says to a command."""
    argv = ["java", *([f"-Djava.security.auth.login.config={login}"] if login else [])]
    argv += ["org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", *words]
    done = subprocess.run(
        argv, env=one.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def test_with_zookeeper_the_users_are_there_before_the_broker(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    ensemble = {"hosts": "broker", "password": "d1gest", "quorum_password": "qu0rum", "port": port}
    one = build(tmp_path, "3.9.1", mode="zookeeper", zookeeper=ensemble)
    one.write()
    with running(one.ensemble(), one.environment(), tmp_path / "ensemble.log"), started(one):
        assert produce_and_consume(one, "SCRAM-SHA-512") == b"hello"
        assert_check_tells(one)
        refused = zookeeper(one, port, "create", "/intruder")
        login = str(tmp_path / "etc" / "jaas.conf")
        assert "/intruder" not in zookeeper(one, port, "ls", "/", login=login), refused
        assert "Created /guest" in zookeeper(one, port, "create", "/guest", login=login)
        assert "'sasl,'kafka" in zookeeper(one, port, "getAcl", "/brokers/topics", login=login)
        log = one.log() + (tmp_path / "ensemble.log").read_text()
        assert not re.search("|".join(map(re.escape, [*USERS.values(), "d1gest", "qu0rum"])), log)
