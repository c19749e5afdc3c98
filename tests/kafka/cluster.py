"""One real broker on the loopback interface, run from what its host would get: the rendered files, elsewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from provision.core.facts import Facts
from provision.deploy.project import load
from provision.desired.items import DesiredHost, File
from provision.desired.kafka_distribution import collect
from tests.kafka.authority import deployed

CACHE = Path.home() / ".cache" / "hactl" / "kafka"
CREDENTIALS = "/run/credentials/kafka.service"
USERS = {"admin": "4dm-i]n$'=#", "check": "pr0be"}
PATIENCE = 60
PLACES = {
    "/etc/kafka/": "etc", "/etc/hactl/zookeeper/": "etc/zookeeper", "/etc/hactl/": "etc",
    "/var/lib/zookeeper/data": "ensemble",
}  # fmt: skip
"""Where a host has it, and where it is below a test's folder."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass
class Broker:
    """A broker under `folder`; `director` is what a director gets that checks it."""

    folder: Path
    desired: DesiredHost
    director: DesiredHost
    port: int

    def content(self, path: str, desired: DesiredHost | None = None) -> str:
        """A rendered file with the places of a host replaced by those below `folder`."""
        item = (desired or self.desired).get("file", path)
        assert isinstance(item, File), path
        text = item.content.decode().replace(CREDENTIALS, str(self.folder / "etc"))
        for place, below in PLACES.items():
            text = text.replace(place, f"{self.folder}/{below}/")
        return text

    def write(self) -> None:
        """Lay the files down where this process may."""
        (self.folder / "etc" / "zookeeper").mkdir(parents=True)
        for item in self.desired.of("file"):
            folder = self.folder / "etc" / ("zookeeper" if "zookeeper" in item.name else "")
            if item.name.startswith(
                ("/etc/kafka/", "/usr/local/lib/hactl/kafka", "/etc/hactl/zookeeper/")
            ):
                (folder / Path(item.name).name).write_text(self.content(item.name))
        for path in ("/usr/local/lib/hactl/kafka-ready", "/etc/hactl/kafka-ready.json"):
            (self.folder / "etc" / Path(path).name).write_text(self.content(path, self.director))

    def environment(self) -> Mapping[str, str]:
        """What kafka.service sets."""
        lines = re.findall(
            r"^Environment=(.*)$", self.content("/etc/systemd/system/kafka.service"), re.MULTILINE
        )
        pairs = (word.split("=", 1) for line in lines for word in shlex.split(line))
        return {**os.environ, **dict(pairs), "CREDENTIALS_DIRECTORY": str(self.folder / "etc")}

    def ready(self, **changes: object) -> tuple[int, str]:
        """What the director's check says, exit status and text; `changes` are to its settings."""
        settings, host = self.folder / "etc" / "kafka-ready.json", self.desired.host
        kept = settings.read_text()
        settings.write_text(json.dumps({host: {**json.loads(kept)[host], **changes}}))
        program = [sys.executable, "-IS", str(self.folder / "etc" / "kafka-ready"), host]
        done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
        settings.write_text(kept)
        return done.returncode, done.stdout + done.stderr

    def ensemble(self) -> list[str]:
        """The command that zookeeper.service runs, with the ZooKeeper that is among Kafka's jars."""
        unit = self.content("/etc/systemd/system/zookeeper.service").replace("\\\n", "")
        argv = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert argv
        classpath = self.environment()["CLASSPATH"]
        return ["java", *re.sub(r"-cp \S+", f"-cp {classpath}", argv[1]).split()[1:]]

    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text()


@contextmanager
def running(
    argv: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for as long as the block; ended as systemd would, by its id."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            argv, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def broker(folder: Path, version: str, **kafka: object) -> Iterator[Broker]:
    """A broker that is ready, its files rendered from an inventory with `kafka` in it."""
    made = build(folder, version, **kafka)
    made.write()
    with started(made):
        yield made


@contextmanager
def started(made: Broker) -> Iterator[None]:
    """The broker runs and is ready for as long as the block."""
    folder = made.folder
    with running(
        ["sh", str(made.folder / "etc" / "kafka-run")], made.environment(), folder / "log"
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while made.ready()[0]:
            assert process.poll() is None and time.monotonic() < deadline, (
                made.log()[-3000:] + made.ready()[1]
            )
            time.sleep(0.5)
        yield


def build(folder: Path, version: str, **kafka: object) -> Broker:
    """The broker, not started yet."""
    port, controller = free_ports(2)
    users = {name: {"password": password} for name, password in USERS.items()}
    common = {
        "version": version, "brokers": "broker", "users": users, "heap": "256m", "data": str(folder / "data"),
        "port": port, "tls": "generated", "distribution": {"jars": str(collect(version, CACHE, print))},
        "properties": {"log.cleaner.dedupe.buffer.size": 4194304, "offsets.topic.num.partitions": 1},
    }  # fmt: skip
    if kafka.get("mode") != "zookeeper":
        common["controller_port"] = controller
    service = {
        "port": port, "scheduler": "rr", "real_servers": "broker",
        "check": {"type": "kafka", "login": "check", "timeout": 5},
    }  # fmt: skip
    frontend = {
        "name": "kafka", "vips": ["192.0.2.10"], "directors": "director", "vrrp": {"virtual_router_id": 1},
        "services": [service],
    }  # fmt: skip
    hosts = {
        "director": {"ansible_host": "192.0.2.1"},
        "broker": {"ansible_host": "127.0.0.1", "kafka_id": 7, "zookeeper_id": 1},
    }
    path = folder / "inventory.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "all": {
                    "vars": {"frontends": [frontend], "kafka": {**common, **kafka}},
                    "hosts": hosts,
                }
            }
        )
    )
    project = deployed(load(path))
    facts = Facts(default_interface="eth0")
    return Broker(folder, project.render("broker", facts), project.render("director", facts), port)
