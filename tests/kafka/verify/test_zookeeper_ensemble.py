"""An unauthenticated write to a real ZooKeeper, with and without the inventory's settings."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from provision.commands.kafka_verify import verify_environment
from provision.core.errors import Exit
from provision.hosts.sessions import Sessions
from provision.hosts.ssh import SshSession
from provision.kafka.verify.refusals import zookeeper_write
from tests.kafka.cluster import free_ports, running
from tests.kafka.verify.site import (
    RunningBroker,
    failed,
    prepared,
    results_of,
    running_broker,
    serving,
)
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("state")]


def ensemble(folder: Path) -> RunningBroker:
    """Return a broker in ZooKeeper mode with an ensemble of one member; neither runs yet."""
    (port,) = free_ports(1)
    member = {"hosts": "broker", "password": "d1gest", "quorum_password": "qu0rum", "port": port}
    return running_broker(prepared(folder, "3.9.1", mode="zookeeper", zookeeper=member))


def children(broker: RunningBroker) -> str:
    """Wait for ZooKeeper, and list its top nodes with its own client and the brokers' login."""
    port = broker.cluster.model.zookeeper.port if broker.cluster.model.zookeeper else 0
    wait_until(lambda: is_open(port), 60, what="ZooKeeper's port")
    argv = ["java", f"-Djava.security.auth.login.config={broker.broker.folder}/etc/jaas.conf"]
    argv += ["org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", "ls", "/"]
    result = subprocess.run(
        argv,
        env=broker.broker.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return result.stdout


class LoopbackSessions(Sessions):
    """The member's host is this machine, without SSH."""

    def of(self, host: str) -> SshSession:
        """Return a session that forwards from this machine."""
        assert host == "broker"
        session = SimpleNamespace(
            forward=lambda address, port: socket.create_connection((address, port))
        )
        return cast(SshSession, session)


def is_open(port: int) -> bool:
    """Return whether a server listens on the port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_all_checks_pass_with_zookeeper(tmp_path: Path) -> None:
    broker = ensemble(tmp_path)
    with (
        running(broker.broker.ensemble(), broker.broker.environment(), tmp_path / "ensemble.log"),
        serving(broker.broker),
    ):
        verification = broker.verify()
        assert failed(verification) == []
        assert verification.exit == Exit.OK
        (write,) = results_of(verification, "zookeeper-write")
        assert write.answer == "SESSIONCLOSEDREQUIRESASLAUTH"
        assert "hactl" not in children(broker)


def test_an_ensemble_that_accepts_a_write_without_a_login_is_a_failure_and_stays_unchanged(
    tmp_path: Path,
) -> None:
    broker = ensemble(tmp_path)
    config = tmp_path / "etc" / "zookeeper" / "zoo.cfg"
    config.write_text(
        config.read_text().replace(
            "sessionRequireClientSASLAuth=true", "sessionRequireClientSASLAuth=false"
        )
    )
    with running(broker.broker.ensemble(), broker.broker.environment(), tmp_path / "ensemble.log"):
        assert "zookeeper" in children(broker), "it serves"
        (write,) = results_of(broker.verify(), "zookeeper-write")
        assert (write.ok, write.answer) == (False, "created")
        with verify_environment(
            broker.project, broker.cluster, LoopbackSessions({}), lab=False
        ) as environment:
            answer, _ = zookeeper_write(environment, write.check)
            assert answer == "created", "through the member's host"
        assert "hactl" not in children(broker)
