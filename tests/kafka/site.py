"""Three real brokers on the loopback interface, with KRaft or ZooKeeper, that a test can kill."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import kafka

from provision.desired.kafka_distribution import collect
from provision.kafka.admin import ask
from provision.kafka.client_file import login
from tests.kafka.cluster import CACHE, free_ports
from tests.waiting import wait_until

VERSION = "3.9.1"
IDS = (1, 2, 3)
START_TIMEOUT = 60.0
"""Seconds for brokers to start, stop or take over."""
USERS = {"admin": "s3cret"}

LOG4J = """\
log4j.rootLogger=WARN, stdout
log4j.logger.state.change.logger=TRACE
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
"""
JAAS_USERS = " ".join(f'user_{user}="{password}"' for user, password in USERS.items())
COMMON = {
    "offsets.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.backoff.ms": "500",
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "auto.create.topics.enable": "false",
    "auto.leader.rebalance.enable": "false",
    "listener.security.protocol.map": (
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT"
    ),
    "inter.broker.listener.name": "PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.sasl.plain.sasl.jaas.config": (
        f"org.apache.kafka.common.security.plain.PlainLoginModule required {JAAS_USERS};"
    ),
}


@dataclass
class Site:
    """Brokers 1 to 3; their settings, ports and `running` processes are by id."""

    folder: Path
    jars: Path
    settings: Mapping[int, dict[str, str]]
    ports: Mapping[int, int]
    sasl_ports: Mapping[int, int]
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        """The address of the first broker, which no test stops."""
        return f"127.0.0.1:{self.ports[1]}"

    def java(self, name: str, main: str, *words: str, heap: int = 256) -> subprocess.Popen[bytes]:
        """Start a Java program of the jars, with its output in `NAME.log`.

        The options make it start fast rather than run fast.
        """
        argv = ["java", f"-Xmx{heap}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        argv += [
            f"-Dlog4j.configuration=file:{self.folder / 'log4j.properties'}",
            "-cp",
            f"{self.jars}/*",
            main,
            *words,
        ]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)

    def start(self, broker: int) -> None:
        """Start a broker, without waiting for it."""
        path = self.folder / f"{broker}.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in self.settings[broker].items()))
        self.running[broker] = self.java(str(broker), "kafka.Kafka", str(path))

    def end(self, broker: int, how: signal.Signals = signal.SIGKILL) -> None:
        """End a broker's process."""
        process = self.running.pop(broker)
        os.kill(process.pid, how)
        process.wait(START_TIMEOUT)

    @contextmanager
    def without(self, broker: int) -> Iterator[None]:
        """Kill a broker, and start it again after the block."""
        self.end(broker)
        try:
            yield
        finally:
            self.start(broker)

    def admin(self) -> kafka.KafkaAdminClient:
        """Return an admin client of the library."""
        return kafka.KafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=20000)

    def ask(self, question: Callable[[kafka.KafkaAdminClient], object]) -> None:
        """Send a request; retry it if a broker has just gone."""
        ask(login(self.bootstrap, None), question)

    def create(self, topic: str, assignment: Sequence[Sequence[int]], **settings: str) -> None:
        """Create a topic with these replicas; `min_insync_replicas` sets `min.insync.replicas`."""
        from kafka.admin import NewTopic

        configs = {key.replace("_", "."): value for key, value in settings.items()}
        replicas = {number: list(brokers) for number, brokers in enumerate(assignment)}
        self.ask(lambda admin: admin.create_topics([NewTopic(topic, -1, -1, replicas, configs)]))

    def log(self, name: str) -> str:
        """Return the output of a process so far."""
        return (self.folder / f"{name}.log").read_text()

    def live(self) -> set[int]:
        """Return the ids of live brokers."""
        try:
            with kafka.KafkaAdminClient(
                bootstrap_servers=self.bootstrap, bootstrap_timeout_ms=2000
            ) as admin:
                return {broker["broker_id"] for broker in admin.describe_cluster()["brokers"]}
        except kafka.errors.KafkaError:
            return set()


def until(condition: Callable[[], bool], timeout: float = START_TIMEOUT) -> float:
    """Wait until the condition holds, and return the seconds that it took."""
    began = time.monotonic()
    wait_until(condition, timeout, 0.3)
    return time.monotonic() - began


def _settings(folder: Path, broker: int, port: int, sasl_port: int) -> dict[str, str]:
    listeners = f"PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl_port}"
    data = {"log.dirs": str(folder / f"data{broker}")}
    return {**COMMON, **data, "listeners": listeners, "advertised.listeners": listeners}


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    """Yield a site without processes; end all its processes after the block."""
    ports = free_ports(2 * len(IDS))
    by_id = dict(zip(IDS, ports, strict=False))
    sasl = dict(zip(IDS, ports[len(IDS) :], strict=True))
    (folder / "log4j.properties").write_text(LOG4J)
    settings = {broker: _settings(folder, broker, by_id[broker], sasl[broker]) for broker in IDS}
    site = Site(folder, collect(VERSION, CACHE, print), settings, by_id, sasl)
    try:
        yield site
    finally:
        for process in site.running.values():
            process.kill()
        for process in site.running.values():
            process.wait()


@contextmanager
def kraft(folder: Path) -> Iterator[Site]:
    """Yield three nodes that serve, each a broker and controller."""
    with _site(folder) as site:
        controllers = dict(zip(IDS, free_ports(len(IDS)), strict=True))
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
        for node, settings in site.settings.items():
            settings |= {
                "process.roles": "broker,controller",
                "node.id": str(node),
                "controller.quorum.voters": voters,
                "controller.listener.names": "CONTROLLER",
                "broker.session.timeout.ms": "6000",
                "listeners": f"{settings['listeners']},CONTROLLER://127.0.0.1:{controllers[node]}",
            }
            _format(site, node)
        for node in IDS:
            site.start(node)
            time.sleep(1)
        until(lambda: site.live() == set(IDS))
        yield site


def _format(site: Site, node: int) -> None:
    path = site.folder / f"{node}.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in site.settings[node].items()))
    words = ["format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(path)]
    assert site.java("format", "kafka.tools.StorageTool", *words).wait(START_TIMEOUT) == 0, (
        site.log("format")
    )


@contextmanager
def zookeeper(folder: Path) -> Iterator[Site]:
    """Yield three brokers that serve, with a ZooKeeper."""
    with _site(folder) as site:
        (port,) = free_ports(1)
        config = folder / "zoo.cfg"
        config.write_text(
            f"tickTime=1000\ndataDir={folder / 'zk'}\nclientPort={port}\nadmin.enableServer=false\n"
        )
        site.running[0] = site.java(
            "zk", "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config), heap=128
        )
        for broker, settings in site.settings.items():
            settings |= {
                "broker.id": str(broker),
                "zookeeper.connect": f"127.0.0.1:{port}",
                "zookeeper.session.timeout.ms": "5000",
            }
            site.start(broker)
            time.sleep(1)
        until(lambda: site.live() == set(IDS))
        yield site
