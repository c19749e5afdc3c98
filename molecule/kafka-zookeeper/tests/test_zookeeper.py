"""The ensemble has one leader, and refuses clients without a login."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from conftest import GROUPS, log_in
from testinfra.host import Host

ZOOKEEPER = "org.apache.zookeeper.ZooKeeperMain -server 127.0.0.1:2181"
JAVA = "java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/share/kafka/3.9.1/*'"
LOGIN = "-Djava.security.auth.login.config=/etc/kafka/jaas.conf"
SRVR = """python3 -c '
import socket
with socket.create_connection(("127.0.0.1", 2181), 5) as connection:
    connection.sendall(b"srvr")
    print(connection.makefile().read())
'"""


class Member(NamedTuple):
    """A member of the ensemble, asked by ZooKeeper's command line client."""

    host: Host

    def as_broker(self, words: str) -> str:
        """The answer to a client with the login of the brokers."""
        return self._output(f"{JAVA} {LOGIN} {ZOOKEEPER} {words}")

    def as_nobody(self, words: str) -> str:
        """The answer to a client without a login."""
        return self._output(f"{JAVA} {ZOOKEEPER} {words}")

    def _output(self, command: str) -> str:
        done = self.host.run(f"timeout 60 {command}")
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def member(pytestconfig: pytest.Config) -> Member:
    """One member of the ensemble."""
    return Member(log_in(GROUPS["brokers"][0], pytestconfig))


def test_each_member_is_enabled_and_running(broker: Host) -> None:
    service = broker.service("zookeeper")
    assert service.is_enabled
    assert service.is_running


def test_one_member_leads(pytestconfig: pytest.Config) -> None:
    answers = [log_in(name, pytestconfig).check_output(SRVR) for name in GROUPS["brokers"]]
    modes = sorted(
        line for text in answers for line in text.splitlines() if line.startswith("Mode: ")
    )
    assert modes == ["Mode: follower", "Mode: follower", "Mode: leader"]


def test_only_root_and_zookeeper_can_read_its_secrets(broker: Host) -> None:
    file = broker.file("/etc/hactl/zookeeper/jaas.conf")
    assert (file.mode, file.user, file.group) == (0o640, "root", "zookeeper")


def test_a_write_without_a_login_is_refused(member: Member) -> None:
    refused = member.as_nobody("create /intruder")
    assert "Created" not in refused
    assert "Created /guest" in member.as_broker("create /guest")
    assert "intruder" not in member.as_broker("ls /")


def test_only_brokers_can_read_the_passwords_of_users(member: Member) -> None:
    granted = member.as_broker("getAcl /config/users")
    assert "'sasl,'kafka" in granted
    assert "'world,'anyone" not in granted
