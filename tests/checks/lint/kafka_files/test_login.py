"""A real broker with a guide's mistakes refuses its clients with the messages that lint quotes.

hactl writes the broker's files, so the test also proves that a broker starts with them.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provision.checks.lint.kafka_files.registry import Files, add
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.desired.kafka_distribution import collect
from provision.formats import jaas, properties
from provision.formats.jaas import PLAIN, SCRAM, LoginModule
from tests.kafka.cluster import CACHE, free_ports, running
from tests.kafka.java import VERSION, readings

pytestmark = pytest.mark.kafka

#: As in the guide: all users have one password; other passwords are at a place that PLAIN ignores.
CREATED = {"admin": "admin123", "producer": "admin123"}
KAFKA_SERVER = LoginModule(
    SCRAM, {"username": "admin", "password": "admin123", "user_producer": "producer123"}
)
SCRIPT = "".join(
    f"kafka-configs.sh --bootstrap-server b:1 --alter --entity-type users --entity-name {user} "
    f"--add-config 'SCRAM-SHA-256=[password={password}]'\n"
    for user, password in CREATED.items()
)


def settings(folder: Path, port: int, controller: int) -> dict[str, properties.Value]:
    """server.properties of a broker that is also its controller."""
    return {
        "process.roles": ["broker", "controller"],
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": [f"SASL_PLAINTEXT://127.0.0.1:{port}", f"CONTROLLER://127.0.0.1:{controller}"],
        "listener.security.protocol.map": ["SASL_PLAINTEXT:SASL_PLAINTEXT", "CONTROLLER:PLAINTEXT"],
        "security.inter.broker.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256",
        "sasl.enabled.mechanisms": ["SCRAM-SHA-256", "PLAIN"],
        "log.dirs": str(folder / "data"),
        "log.cleaner.dedupe.buffer.size": 4194304,
    }


def client(mechanism: str, module: str, password: str, port: int = 0) -> bytes:
    """The content of producer.conf."""
    login = LoginModule(module, {"username": "producer", "password": password})
    return properties.write(
        {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.jaas.config": jaas.property_value(login),
            "default.api.timeout.ms": 10000,
            "request.timeout.ms": 10000,
        }
    )


LOG4J = """\
log4j.rootLogger=WARN, stdout
log4j.logger.org.apache.kafka.common.security.authenticator=DEBUG
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%m%n
"""


@dataclass(frozen=True)
class Broker:
    """The broker's port, and its log, which says why a login failed."""

    port: int
    log: Path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that accepts its own user and producers."""
    folder = tmp_path_factory.mktemp("broker")
    port, controller = free_ports(2)
    config, login, log4j = (
        folder / "server.properties",
        folder / "kafka_server_jaas.conf",
        folder / "log4j.properties",
    )
    config.write_bytes(properties.write(settings(folder, port, controller)))
    login.write_bytes(jaas.write({"KafkaServer": KAFKA_SERVER}))
    log4j.write_text(LOG4J)
    java = [
        "java",
        "-Xmx256m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        f"-Dlog4j.configuration=file:{log4j}",
    ]
    java += [
        f"-Djava.security.auth.login.config={login}",
        "-cp",
        f"{collect(VERSION, CACHE, print)}/*",
    ]
    users = [
        word
        for name in CREATED
        for word in ("-S", f"SCRAM-SHA-256=[name={name},password={CREATED[name]}]")
    ]
    arguments = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(config), *users]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", *arguments], check=True, timeout=60, capture_output=True
    )
    with running(
        [*java, "kafka.Kafka", str(config)], {"PATH": "/usr/bin"}, folder / "log"
    ) as process:
        broker, deadline = Broker(port, folder / "log"), time.monotonic() + 60
        while error := login_error("SCRAM-SHA-256", SCRAM, CREATED["producer"], broker):
            assert process.poll() is None and time.monotonic() < deadline, (
                error + broker.log.read_text()[-3000:]
            )
        yield broker


def login_error(mechanism: str, module: str, password: str, broker: Broker) -> str:
    """The error of a login with Kafka's own client; empty if the login succeeds."""
    return readings([("login", client(mechanism, module, password, broker.port))])[0].error


#: The mechanism, the login module and the password with which each rule's client is refused.
REFUSED = {
    "login-password-differs": ("SCRAM-SHA-256", SCRAM, "producer123"),
    "mechanism-not-enabled": ("SCRAM-SHA-512", SCRAM, "admin123"),
    "plain-users-elsewhere": ("PLAIN", PLAIN, "producer123"),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_client_is_refused_with_the_message_of_the_rule(rule: str, broker: Broker) -> None:
    """The client's exception or the broker's log contains the quoted message."""
    files = add(Files(), "server.properties", properties.write(settings(Path("/d"), 1, 2)))
    files = add(files, "kafka_server_jaas.conf", jaas.write({"KafkaServer": KAFKA_SERVER}))
    files = add(add(files, "users.sh", SCRIPT.encode()), "producer.conf", client(*REFUSED[rule]))
    (problem,) = [
        finding.problem for finding in KAFKA.findings(files) if finding.problem.rule == rule
    ]
    error = login_error(*REFUSED[rule], broker)
    _, says, message = problem.what.partition("Kafka says: ")
    if says:
        assert error == message
    else:
        assert error
        assert problem.what.partition("Kafka logs: ")[2] in broker.log.read_text()
