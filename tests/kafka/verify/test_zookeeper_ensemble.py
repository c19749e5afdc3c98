"""An unauthenticated write to a real ZooKeeper: refused where the inventory's settings are in force, told where not."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from provision.commands.kafka_verify import verify_environment
from provision.core.errors import Exit
from provision.hosts.sessions import Sessions
from provision.hosts.ssh import SshSession
from provision.kafka.verify.refusals import zookeeper_write
from tests.kafka.cluster import free_ports, running
from tests.kafka.site import until
from tests.kafka.verify.site import Asked, failed, found, of, prepared, serving

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates go with the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def ensemble(folder: Path) -> Asked:
    """A broker in ZooKeeper mode with its ensemble of one; neither runs yet."""
    (port,) = free_ports(1)
    member = {"hosts": "broker", "password": "d1gest", "quorum_password": "qu0rum", "port": port}
    return found(prepared(folder, "3.9.1", mode="zookeeper", zookeeper=member))


def children(one: Asked) -> str:
    """What ZooKeeper's own client lists at the top, logged in as the brokers are, once there is a ZooKeeper."""
    port = one.cluster.model.zookeeper.port if one.cluster.model.zookeeper else 0
    until(lambda: answers(port))
    argv = ["java", f"-Djava.security.auth.login.config={one.broker.folder}/etc/jaas.conf"]
    argv += ["org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", "ls", "/"]
    done = subprocess.run(
        argv, env=one.broker.environment(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


class Here(Sessions):
    """The member's host is this machine, where nobody needs SSH."""

    def of(self, host: str) -> SshSession:
        """What forwards from here."""
        assert host == "broker"
        return SimpleNamespace(
            forward=lambda address, port: socket.create_connection((address, port))
        )  # type: ignore[return-value]


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_all_is_as_it_must_be_with_zookeeper(tmp_path: Path) -> None:
    one = ensemble(tmp_path)
    with (
        running(one.broker.ensemble(), one.broker.environment(), tmp_path / "ensemble.log"),
        serving(one.broker),
    ):
        told = one.verify()
        assert failed(told) == []
        assert told.exit == Exit.OK
        (write,) = of(told, "zookeeper-write")
        assert write.seen == "SESSIONCLOSEDREQUIRESASLAUTH"
        assert "hactl" not in children(one)


def test_an_ensemble_that_anybody_may_write_to_is_told_and_left_as_it_was(tmp_path: Path) -> None:
    one = ensemble(tmp_path)
    config = tmp_path / "etc" / "zookeeper" / "zoo.cfg"
    config.write_text(
        config.read_text().replace(
            "sessionRequireClientSASLAuth=true", "sessionRequireClientSASLAuth=false"
        )
    )
    with running(one.broker.ensemble(), one.broker.environment(), tmp_path / "ensemble.log"):
        assert "zookeeper" in children(one), "it serves"
        (write,) = of(one.verify(), "zookeeper-write")
        assert (write.ok, write.seen) == (False, "created")
        with verify_environment(one.project, one.cluster, Here({}), lab=False) as found_by_command:
            assert zookeeper_write(found_by_command, write.check)[0] == "created", (
                "by the way through the member's host"
            )
        assert "hactl" not in children(one)
