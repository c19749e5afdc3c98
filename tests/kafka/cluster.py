"""A real broker on the loopback interface, with a host's rendered files in a test's folder."""

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
START_TIMEOUT = 60
"""Seconds for a broker to start."""

TEST_PATHS = {
    "/etc/kafka/": "etc",
    "/etc/hactl/zookeeper/": "etc/zookeeper",
    "/etc/hactl/": "etc",
    "/var/lib/zookeeper/data": "ensemble",
}
"""Folders below a test's folder, by their path on a host."""


def free_ports(count: int) -> list[int]:
    """Return free ports of the loopback interface."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


@dataclass
class Broker:
    """A broker below `folder`; `director` are the files of a director that checks it."""

    folder: Path
    desired: DesiredHost
    director: DesiredHost
    port: int

    def content(self, path: str, desired: DesiredHost | None = None) -> str:
        """Return a rendered file in which paths below `folder` replace those of a host."""
        item = (desired or self.desired).get("file", path)
        assert isinstance(item, File), path
        text = item.content.decode().replace(CREDENTIALS, str(self.folder / "etc"))
        for host_path, path_below in TEST_PATHS.items():
            text = text.replace(host_path, f"{self.folder}/{path_below}/")
        return text

    def write(self) -> None:
        """Write the files below `folder`."""
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
        """Return the environment of kafka.service."""
        lines = re.findall(
            r"^Environment=(.*)$", self.content("/etc/systemd/system/kafka.service"), re.MULTILINE
        )
        pairs = (word.split("=", 1) for line in lines for word in shlex.split(line))
        return {**os.environ, **dict(pairs), "CREDENTIALS_DIRECTORY": str(self.folder / "etc")}

    def ready(self, **changes: object) -> tuple[int, str]:
        """Run the director's check with changed settings; return its exit status and text."""
        settings, host = self.folder / "etc" / "kafka-ready.json", self.desired.host
        original = settings.read_text()
        settings.write_text(json.dumps({host: {**json.loads(original)[host], **changes}}))
        program = [sys.executable, "-IS", str(self.folder / "etc" / "kafka-ready"), host]
        result = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
        settings.write_text(original)
        return result.returncode, result.stdout + result.stderr

    def ensemble(self) -> list[str]:
        """Return the command of zookeeper.service, with the ZooKeeper of Kafka's jars."""
        unit = self.content("/etc/systemd/system/zookeeper.service").replace("\\\n", "")
        argv = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert argv
        classpath = self.environment()["CLASSPATH"]
        return ["java", *re.sub(r"-cp \S+", f"-cp {classpath}", argv[1]).split()[1:]]

    def log(self) -> str:
        """Return its output so far."""
        return (self.folder / "log").read_text()


@contextmanager
def running(
    argv: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process during the block; end it by its id, as systemd does."""
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
    """Yield a broker that is ready, with the files of an inventory with this `kafka`."""
    prepared = build(folder, version, **kafka)
    prepared.write()
    with started(prepared):
        yield prepared


@contextmanager
def started(prepared: Broker) -> Iterator[None]:
    """Run the broker during the block, once it is ready."""
    folder = prepared.folder
    with running(
        ["sh", str(folder / "etc" / "kafka-run")], prepared.environment(), folder / "log"
    ) as process:
        deadline = time.monotonic() + START_TIMEOUT
        while prepared.ready()[0]:
            assert process.poll() is None and time.monotonic() < deadline, (
                prepared.log()[-3000:] + prepared.ready()[1]
            )
            time.sleep(0.5)
        yield


def build(folder: Path, version: str, **kafka: object) -> Broker:
    """Return a broker, before its start."""
    port, controller = free_ports(2)
    users = {name: {"password": password} for name, password in USERS.items()}
    common = {
        "version": version,
        "brokers": "broker",
        "users": users,
        "heap": "256m",
        "data": str(folder / "data"),
        "port": port,
        "tls": "generated",
        "distribution": {"jars": str(collect(version, CACHE, print))},
        "properties": {
            "log.cleaner.dedupe.buffer.size": 4194304,
            "offsets.topic.num.partitions": 1,
        },
    }
    if kafka.get("mode") != "zookeeper":
        common["controller_port"] = controller
    service = {
        "port": port,
        "scheduler": "rr",
        "real_servers": "broker",
        "check": {"type": "kafka", "login": "check", "timeout": 5},
    }
    frontend = {
        "name": "kafka",
        "vips": ["192.0.2.10"],
        "directors": "director",
        "vrrp": {"virtual_router_id": 1},
        "services": [service],
    }
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
