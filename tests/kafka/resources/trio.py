"""Three real brokers with SCRAM and access control, each on an address of its own of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.core.errors import HactlError
from provision.core.facts import Facts
from provision.deploy.project import Project, load
from provision.desired.kafka_distribution import collect
from provision.desired.kafka_tls import authority, names
from provision.formats import certificates
from provision.inventory.kafka import KafkaCluster
from provision.inventory.topology import Topology
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from tests.kafka.authority import deployed
from tests.kafka.cluster import CACHE, USERS, Broker, free_ports
from tests.waiting import wait_until

IDS = (1, 2, 3)
START_TIMEOUT = 120.0
"""Seconds for brokers to start, stop or take over."""
SMALL = {
    "log.cleaner.dedupe.buffer.size": 4194304, "offsets.topic.num.partitions": 1, "num.network.threads": 1,
    "num.io.threads": 2, "broker.session.timeout.ms": 6000,
}  # fmt: skip


@dataclass
class Trio:
    """Brokers 1 to 3 by id; `running` are their processes."""

    folder: Path
    project: Project
    brokers: Mapping[int, Broker]
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def cluster(self) -> KafkaCluster:
        """The inventory's cluster."""
        found = self.project.topology.kafka
        assert found
        return found

    @property
    def admin(self) -> Login:
        """A login as the admin."""
        tls = ssl.create_default_context(cafile=str(self.brokers[1].folder / "etc" / "ca.pem"))
        addresses = tuple((f"127.0.0.{id_}", self.cluster.model.port) for id_ in IDS)
        return Login(addresses, "SASL_SSL", "SCRAM-SHA-512", "admin", USERS["admin"], tls)

    def saying(self, **kafka: Any) -> Project:
        """The project of an inventory that says something else of the cluster."""
        model = self.cluster.model.model_validate(
            {**self.cluster.model.model_dump(exclude_unset=True), **kafka}
        )
        topology: Topology = replace(
            self.project.topology, kafka=replace(self.cluster, model=model)
        )
        return replace(self.project, topology=topology)

    def start(self, id_: int) -> None:
        """Start a broker; it is not ready yet."""
        one = self.brokers[id_]
        environment = {**one.environment(), "KAFKA_DATA": str(one.folder / "data")}
        with (one.folder / "log").open("ab") as log:
            argv = ["sh", str(one.folder / "etc" / "kafka-run")]
            self.running[id_] = subprocess.Popen(
                argv, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, id_: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a broker's process, by its id, if it has not ended itself."""
        process = self.running.pop(id_)
        if process.poll() is None:
            os.killpg(process.pid, how)
        process.wait(START_TIMEOUT)

    @contextmanager
    def without(self, id_: int) -> Iterator[None]:
        """A broker that is dead, and known to be, for as long as the block."""
        self.end(id_)
        try:
            until(lambda: self.live() == {*IDS} - {id_})
            yield
        finally:
            self.start(id_)
            until(lambda: self.live() == {*IDS})

    def live(self) -> set[int]:
        """The brokers that count as alive; none while nobody answers."""
        try:
            answer = ask(self.admin, lambda admin: admin.describe_cluster()["brokers"])
        except HactlError:
            return set()
        return {each["broker_id"] for each in answer if not each.get("is_fenced")}


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    wait_until(condition, START_TIMEOUT, 0.5)


@contextmanager
def trio(folder: Path, version: str, **kafka: object) -> Iterator[Trio]:
    """Three nodes, each broker and controller, that all serve; their CA is below `folder` for as long as the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        made = _built(folder, version, kafka)
        try:
            for id_ in IDS:
                made.start(id_)
                time.sleep(2)
            until(lambda: made.live() == {*IDS})
            yield made
        finally:
            for id_ in list(made.running):
                made.end(id_)


def _built(folder: Path, version: str, kafka: Mapping[str, object]) -> Trio:
    port, controller = free_ports(2)
    first = {name: {"password": password} for name, password in USERS.items()}
    common = {
        "version": version, "brokers": "brokers", "users": first, "heap": "256m", "data": "/data", "port": port,
        "controller_port": controller, "tls": "generated", "properties": SMALL,
        "distribution": {"jars": str(collect(version, CACHE, print))},
    }  # fmt: skip
    service = {
        "port": port,
        "scheduler": "rr",
        "real_servers": "brokers",
        "check": {"type": "kafka", "login": "check"},
    }
    frontend = {
        "name": "kafka", "vips": ["192.0.2.10"], "directors": "director", "vrrp": {"virtual_router_id": 1},
        "services": [service],
    }  # fmt: skip
    nodes = {f"broker{id_}": {"ansible_host": f"127.0.0.{id_}", "kafka_id": id_} for id_ in IDS}
    children = {
        "brokers": {"hosts": nodes},
        "directors": {"hosts": {"director": {"ansible_host": "192.0.2.1"}}},
    }
    path = folder / "inventory.yml"
    variables = {"frontends": [frontend], "kafka": {**common, **kafka}}
    path.write_text(yaml.safe_dump({"all": {"vars": variables, "children": children}}))
    project = deployed(load(path))
    return Trio(folder, project, {id_: _node(folder / str(id_), project, id_, port) for id_ in IDS})


def _node(folder: Path, project: Project, id_: int, port: int) -> Broker:
    """A broker's files, with its own address where a host of its own would bind all."""
    folder.mkdir()
    facts = Facts(default_interface="eth0")
    made = Broker(
        folder, project.render(f"broker{id_}", facts), project.render("director", facts), port
    )
    made.write()
    settings = folder / "etc" / "server.properties"
    text = (
        settings.read_text()
        .replace("://0.0.0.0:", f"://127.0.0.{id_}:")
        .replace("/data", str(folder / "data"))
    )
    settings.write_text(text)
    return made


def ending(three: Trio, host: str, seconds: float) -> str:
    """A key and a certificate for the host, of the cluster's own CA, that ends in some seconds."""
    cluster = three.cluster
    node, signing = cluster.on(host), authority(cluster)
    assert node and signing
    now = datetime.now(UTC)
    age = (
        now - certificates._first(signing.trusted).not_valid_before_utc
    )  # certificates' days count from the CA's first
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "DAYS", (age.total_seconds() + seconds) / 86400)
        patch.setattr(certificates, "RENEW", timedelta())
        return certificates.issue(signing, host, names(three.project.topology, cluster, node), now)


@contextmanager
def small_disk(three: Trio, id_: int) -> Iterator[Callable[[], None]]:
    """A broker's data on a file system of 64 MiB for as long as the block; what is given fills it."""
    data = three.brokers[id_].folder / "data"
    kept, ballast = data.with_name("kept"), data / "ballast"

    def full() -> None:
        with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    three.end(id_, signal.SIGTERM)
    data.rename(kept)
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "hactl-test", data], check=True)
    try:
        shutil.copytree(kept, data, dirs_exist_ok=True)
        three.start(id_)
        until(lambda: three.live() == {*IDS})
        yield full
    finally:
        ballast.unlink(missing_ok=True)
        three.end(id_)
        shutil.rmtree(kept)
        shutil.copytree(data, kept)
        subprocess.run(["umount", data], check=True)
        data.rmdir()
        kept.rename(data)
        three.start(id_)
        until(lambda: three.live() == {*IDS})
