"""Each broker runs without privileges, listens on every address, and hides its secrets."""

from __future__ import annotations

import re

import pytest
from conftest import GROUPS, log_in, passwords
from testinfra.host import Host


@pytest.fixture(
    scope="session", params=sorted({host for hosts in GROUPS.values() for host in hosts})
)
def any_host(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Host:
    """Each host of the lab."""
    return log_in(request.param, pytestconfig)


def test_the_broker_is_enabled_and_runs_as_user_kafka(broker: Host) -> None:
    service = broker.service("kafka")
    assert service.is_enabled
    assert service.is_running
    owners = broker.check_output("ps -o user= -p $(systemctl show -P MainPID kafka)")
    assert owners == "kafka"


def test_it_accepts_connections_to_any_address(broker: Host) -> None:
    socket = broker.check_output("ss -Hltn 'sport = :9092'").split()
    assert socket[3] in ("*:9092", "0.0.0.0:9092", "[::]:9092")


def test_only_root_can_read_its_secrets(broker: Host) -> None:
    unit = broker.check_output("systemctl cat kafka")
    credentials = re.findall(r"^LoadCredential=[^:]+:(/etc/kafka/\S+)$", unit, re.MULTILINE)
    assert "/etc/kafka/server.properties" in credentials
    assert "/etc/kafka/node.pem" in credentials
    for path in credentials:
        file = broker.file(path)
        assert (file.mode, file.user, file.group) == (0o640, "root", "root"), path
        assert broker.run("runuser -u kafka -- cat %s", path).rc == 1


def test_only_root_can_read_a_directors_secret(director: Host) -> None:
    file = director.file("/etc/hactl/kafka-ready.json")
    assert (file.mode, file.user, file.group) == (0o640, "root", "root")
    owner = director.check_output("ps -o user= -p $(systemctl show -P MainPID kafka-ready)")
    assert owner != "root"


def test_no_password_is_in_a_command_line_or_a_log(any_host: Host) -> None:
    # Compared here: a command that searches for a password would have it on its command line.
    commands = any_host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true")
    log = any_host.check_output("journalctl -b -o cat --no-pager")
    assert "systemd" in commands
    assert "systemd" in log or "Started" in log
    shown = [
        name for name, password in passwords().items() if password in commands or password in log
    ]
    assert shown == []
