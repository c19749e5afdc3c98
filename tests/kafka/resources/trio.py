"""Three real brokers with SCRAM and ACLs, on three addresses of the loopback interface."""

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
from functools import partial
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

until = partial(wait_until, timeout=START_TIMEOUT, interval=0.5)
SMALL = {
    "log.cleaner.dedupe.buffer.size": 4194304,
    "offsets.topic.num.partitions": 1,
    "num.network.threads": 1,
    "num.io.threads": 2,
    "broker.session.timeout.ms": 6000,
}
"""Properties of a broker for a small machine."""


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
        cluster = self.project.topology.kafka
        assert cluster
        return cluster

    @property
    def admin(self) -> Login:
        """A login as the admin."""
        tls = ssl.create_default_context(cafile=str(self.brokers[1].folder / "etc" / "ca.pem"))
        addresses = tuple((f"127.0.0.{id_}", self.cluster.model.port) for id_ in IDS)
        return Login(addresses, "SASL_SSL", "SCRAM-SHA-512", "admin", USERS["admin"], tls)

    def with_kafka(self, **kafka: Any) -> Project:
        """Return the project with other values of the variable `kafka`."""
        model = self.cluster.model.model_validate(
            {**self.cluster.model.model_dump(exclude_unset=True), **kafka}
        )
        topology: Topology = replace(
            self.project.topology, kafka=replace(self.cluster, model=model)
        )
        return replace(self.project, topology=topology)

    def start(self, id_: int) -> None:
        """Start a broker, without waiting for it."""
        broker = self.brokers[id_]
        environment = {**broker.environment(), "KAFKA_DATA": str(broker.folder / "data")}
        with (broker.folder / "log").open("ab") as log:
            argv = ["sh", str(broker.folder / "etc" / "kafka-run")]
            self.running[id_] = subprocess.Popen(
                argv, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, id_: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a broker's process, by its id, if it still runs."""
        process = self.running.pop(id_)
        if process.poll() is None:
            os.killpg(process.pid, how)
        process.wait(START_TIMEOUT)

    @contextmanager
    def without(self, id_: int) -> Iterator[None]:
        """Kill a broker, wait until the cluster knows, and start it again after the block."""
        self.end(id_)
        try:
            until(lambda: self.live() == {*IDS} - {id_})
            yield
        finally:
            self.start(id_)
            until(lambda: self.live() == {*IDS})

    def live(self) -> set[int]:
        """Return the ids of live brokers; none if no broker answers."""
        try:
            answer = ask(self.admin, lambda admin: admin.describe_cluster()["brokers"])
        except HactlError:
            return set()
        return {node["broker_id"] for node in answer if not node.get("is_fenced")}


@contextmanager
def trio(folder: Path, version: str, **kafka: object) -> Iterator[Trio]:
    """Yield three nodes that serve, each a broker and controller; their CA is below `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        brokers = _built(folder, version, kafka)
        try:
            for id_ in IDS:
                brokers.start(id_)
                time.sleep(2)
            until(lambda: brokers.live() == {*IDS})
            yield brokers
        finally:
            for id_ in list(brokers.running):
                brokers.end(id_)


def _built(folder: Path, version: str, kafka: Mapping[str, object]) -> Trio:
    port, controller = free_ports(2)
    first = {name: {"password": password} for name, password in USERS.items()}
    common = {
        "version": version,
        "brokers": "brokers",
        "users": first,
        "heap": "256m",
        "data": "/data",
        "port": port,
        "controller_port": controller,
        "tls": "generated",
        "properties": SMALL,
        "distribution": {"jars": str(collect(version, CACHE, print))},
    }
    service = {
        "port": port,
        "scheduler": "rr",
        "real_servers": "brokers",
        "check": {"type": "kafka", "login": "check"},
    }
    frontend = {
        "name": "kafka",
        "vips": ["192.0.2.10"],
        "directors": "director",
        "vrrp": {"virtual_router_id": 1},
        "services": [service],
    }
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
    """Write a broker's files, so that it binds its own address and not all of them."""
    folder.mkdir()
    facts = Facts(default_interface="eth0")
    broker = Broker(
        folder, project.render(f"broker{id_}", facts), project.render("director", facts), port
    )
    broker.write()
    settings = folder / "etc" / "server.properties"
    text = (
        settings.read_text()
        .replace("://0.0.0.0:", f"://127.0.0.{id_}:")
        .replace("/data", str(folder / "data"))
    )
    settings.write_text(text)
    return broker


def expiring_certificate(three: Trio, host: str, seconds: float) -> str:
    """Return a key and a certificate of the cluster's CA that expires in some seconds."""
    cluster = three.cluster
    node, signing = cluster.on(host), authority(cluster)
    assert node and signing
    now = datetime.now(UTC)
    # A certificate's days count from the first day of the CA.
    age = now - certificates._first(signing.trusted).not_valid_before_utc
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "DAYS", (age.total_seconds() + seconds) / 86400)
        patch.setattr(certificates, "RENEW", timedelta())
        return certificates.issue(signing, host, names(three.project.topology, cluster, node), now)


@contextmanager
def small_disk(three: Trio, id_: int) -> Iterator[Callable[[], None]]:
    """Move a broker's data to a file system of 64 MiB; yield a function that fills it."""
    data = three.brokers[id_].folder / "data"
    original, ballast = data.with_name("kept"), data / "ballast"

    def fill_disk() -> None:
        with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    three.end(id_, signal.SIGTERM)
    data.rename(original)
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "hactl-test", data], check=True)
    try:
        shutil.copytree(original, data, dirs_exist_ok=True)
        three.start(id_)
        until(lambda: three.live() == {*IDS})
        yield fill_disk
    finally:
        ballast.unlink(missing_ok=True)
        three.end(id_)
        shutil.rmtree(original)
        shutil.copytree(data, original)
        subprocess.run(["umount", data], check=True)
        data.rmdir()
        original.rename(data)
        three.start(id_)
        until(lambda: three.live() == {*IDS})
