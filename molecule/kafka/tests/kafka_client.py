"""Kafka's command line tools on the lab's client: a check by other code than hactl's."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from conftest import GROUPS, HACTL_FOLDER, log_in, passwords
from testinfra.backend.base import CommandResult

PORT = 9092
JAVA = "java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/share/kafka/3.9.1/*'"
TOOL = f"{JAVA} org.apache.kafka.tools."


class Client:
    """The client host. Its files have passwords: they come over standard input."""

    def __init__(self, config: pytest.Config, vip: str) -> None:
        self.host = log_in(GROUPS["clients"][0], config)
        self.vip = f"{vip}:{PORT}"
        self._ssh = ["ssh", "-F", config.getoption("ssh_config"), GROUPS["clients"][0]]

    def put(self, path: str, text: str) -> None:
        """Write a file that only root can read."""
        command = [*self._ssh, f"umask 077; cat >{shlex.quote(path)}"]
        subprocess.run(command, input=text, check=True, text=True)

    def log_in_as(self, user: str, password: str) -> str:
        """Write a user's properties and the CA of the brokers; returns the path."""
        ca = next((HACTL_FOLDER / "state" / "hactl" / "kafka").glob("*/ca.pem"))
        self.put("/root/ca.pem", Path(ca).read_text())
        path = f"/root/{user}.properties"
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        self.put(
            path,
            "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
            "ssl.truststore.type=PEM\nssl.truststore.location=/root/ca.pem\n"
            "default.api.timeout.ms=30000\n"
            f'sasl.jaas.config={module} required username="{user}" password="{password}";\n',
        )
        return path

    def tool(self, words: str) -> CommandResult:
        """Run one of Kafka's tools."""
        return self.host.run(TOOL + words)


def new_client(config: pytest.Config, vip: str) -> Client:
    """The client with Java, and with properties for the users `admin` and `check`."""
    client = Client(config, vip)
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq install openjdk-17-jre-headless"
    client.host.check_output(f"{install} >/dev/null")
    for user in ("admin", "check"):
        client.log_in_as(user, passwords()[f"HACTL_KAFKA_{user.upper()}"])
    return client
