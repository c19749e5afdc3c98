"""`hactl kafka replicas` with three real KRaft brokers while a broker is killed and comes back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kafka
import pytest
from kafka.admin import ConfigResource

from provision.kafka.admin import ask
from provision.kafka.client_file import login
from provision.kafka.replicas.check import check
from provision.kafka.replicas.derive import states
from provision.kafka.replicas.fetch import look
from provision.kafka.replicas.model import Cluster
from provision.kafka.replicas.problems import troubles
from provision.kafka.replicas.state_machine import State
from tests.kafka.site import USERS, Site, until

pytestmark = pytest.mark.kafka

HACTL = [
    sys.executable,
    "-c",
    "from provision.commands.main import main; main()",
    "kafka",
    "replicas",
]


@pytest.fixture(scope="module")
def site(kraft_site: Site) -> Site:
    """The brokers, and a topic of three partitions that tolerates the loss of a broker."""
    kraft_site.create("watched", [(1, 2, 3), (2, 3, 1), (3, 1, 2)], min_insync_replicas="2")
    return kraft_site


class Watch:
    """A running `--watch` of the site; its output goes to a file."""

    def __init__(self, site: Site, file: Path) -> None:
        self._file = file
        with file.open("wb") as output:
            argv = [*HACTL, "--bootstrap", site.bootstrap, "--watch"]
            self._process = subprocess.Popen(argv, stdout=output, stderr=output)

    def wait_for(self, text: str) -> None:
        """Wait until the output contains the text."""
        until(lambda: text in self._file.read_text())

    def end(self) -> tuple[int, str]:
        """Send SIGTERM; returns the exit code and the whole output."""
        self._process.terminate()
        return self._process.wait(30), self._file.read_text()


@pytest.fixture
def watch(site: Site, tmp_path: Path) -> Iterator[Watch]:
    """A watch that has shown its first screen."""
    running = Watch(site, tmp_path / "watch")
    try:
        running.wait_for("PARTITION")
        yield running
    finally:
        running.end()


def hactl(site: Site, *arguments: str, bootstrap: str = "") -> subprocess.CompletedProcess[str]:
    """Run `hactl kafka replicas` on the site."""
    argv = [*HACTL, "--bootstrap", bootstrap or site.bootstrap, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=40, check=False)


def fetched(site: Site) -> Cluster:
    """The current state of the cluster."""
    return ask(login(site.bootstrap, None), look)


def by_broker(cluster: Cluster, topic: str) -> dict[int, set[State]]:
    """The states of a topic's replicas on each broker."""
    brokers: dict[int, set[State]] = {}
    for replica, state in states(cluster).items():
        if replica.topic == topic:
            brokers.setdefault(replica.broker, set()).add(state)
    return brokers


def test_while_all_brokers_serve_all_replicas_are_online_and_any_broker_may_go_down(
    site: Site,
) -> None:
    until(lambda: not troubles(fetched(site)))
    shown = hactl(site)
    assert "brokers 1 2 3" in shown.stdout
    assert re.search(
        r"^watched-0 +1 +3 of 3 +2 +1 online  2 online  3 online$", shown.stdout, re.MULTILINE
    )
    document = json.loads(hactl(site, "--json").stdout)
    assert document["troubles"] == []
    assert {
        replica["state"]
        for partition in document["partitions"]
        for replica in partition["replicas"]
    } == {"OnlineReplica"}
    for broker in ("1", "2", "3"):
        answer = hactl(site, "--gate", broker)
        assert (answer.returncode, answer.stdout) == (0, f"Broker {broker} may go down.\n")


def test_after_a_broker_is_killed_no_other_may_go_down_until_it_is_back(
    site: Site, watch: Watch
) -> None:
    down = {1: {State.ONLINE}, 2: {State.ONLINE}, 3: {State.OFFLINE}}
    with site.without(3):
        until(lambda: by_broker(fetched(site), "watched") == down)
        assert hactl(site).returncode == 1
        answer = hactl(site, "--gate", "2")
        assert answer.returncode == 1
        assert (
            "watched-0: 2 of 3 in sync, min.insync.replicas 2: acks=all would stall"
            in answer.stdout
        )
        refusals = json.loads(hactl(site, "--gate", "2", "--json").stdout)["refusals"]
        assert {refusal["rule"] for refusal in refusals} == {"at-min-isr", "quorum"}
        assert hactl(site, "--gate", "3").returncode == 0, "broker 3 is down already"
        watch.wait_for("watched-0 on broker 3: OnlineReplica -> OfflineReplica")
    until(lambda: not troubles(fetched(site)))
    assert hactl(site, "--gate", "2").returncode == 0
    watch.wait_for("watched-0 on broker 3: OfflineReplica -> OnlineReplica")
    code, output = watch.end()
    assert ("no legal transition" in output, code) == (False, 0)


def test_a_replica_that_is_being_added_is_new_and_a_replica_that_was_moved_away_is_gone(
    site: Site,
) -> None:
    site.create("moving", [(1, 2)])
    producer = kafka.KafkaProducer(bootstrap_servers=site.bootstrap)
    for _ in range(20):
        producer.send("moving", os.urandom(50_000), partition=0)
    producer.flush()
    producer.close()
    with site.admin() as admin:
        throttled = {
            "leader.replication.throttled.replicas": "*",
            "follower.replication.throttled.replicas": "*",
        }
        admin.alter_configs([ConfigResource("TOPIC", "moving", throttled)])
        rates = {
            "leader.replication.throttled.rate": "1",
            "follower.replication.throttled.rate": "1",
        }
        admin.alter_configs(
            [ConfigResource("BROKER", str(broker), rates) for broker in (1, 2, 3)],
            raise_on_unknown=False,
        )
        admin.alter_partition_reassignments({kafka.TopicPartition("moving", 0): [1, 3]})
        polls = [fetched(site)]

        def being_added() -> bool:
            # The next poll may ask a broker that does not know of the reassignment yet.
            polls.append(fetched(site))
            return by_broker(polls[-1], "moving") == {
                1: {State.ONLINE},
                2: {State.ONLINE},
                3: {State.NEW},
            }

        until(being_added, 10)
        in_progress = polls[-1]
        assert hactl(site).returncode == 0, "a replica that is being added need not be in sync"
        admin.alter_configs([ConfigResource("TOPIC", "moving", dict.fromkeys(throttled, ""))])
        admin.reset_configs(
            [ConfigResource("BROKER", str(broker), rates) for broker in (1, 2, 3)],
            raise_on_unknown=False,
        )
    until(lambda: by_broker(fetched(site), "moving") == {1: {State.ONLINE}, 3: {State.ONLINE}}, 40)
    transitions = check(states(in_progress), states(fetched(site)))
    assert {(transition.replica.broker, transition.after) for transition in transitions} == {
        (2, State.NON_EXISTENT),
        (3, State.ONLINE),
    }
    assert all(transition.legal for transition in transitions)


def test_a_deleted_topic_leaves_nothing(site: Site) -> None:
    site.create("short", [(1, 2, 3)])
    online = {broker: {State.ONLINE} for broker in (1, 2, 3)}
    until(lambda: by_broker(fetched(site), "short") == online, 10)
    with site.admin() as admin:
        admin.delete_topics(["short"])
    until(lambda: by_broker(fetched(site), "short") == {}, 20)


def test_a_client_file_logs_in_and_a_wrong_password_is_an_error(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    text = (
        f"bootstrap.servers=127.0.0.1:{site.sasl_ports[1]}\n"
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n"
        f'sasl.jaas.config={module} \\\n  username="admin" password="{USERS["admin"]}";\n'
    )
    file.write_text(text)
    argv = [*HACTL, "--client", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    file.write_text(text.replace(USERS["admin"], "wr0ng"))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 4
    assert "cannot log in" in done.stderr
    assert (
        "is the password correct for admin, and does the listener speak SASL_PLAINTEXT PLAIN?"
        in done.stderr
    )
    assert "wr0ng" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--gate", "9"], 64, "there is no broker 9"),
        (["--watch", "--json"], 64, "--watch goes with neither"),
    ],
)
def test_wrong_arguments_are_refused(
    site: Site, arguments: list[str], code: int, message: str
) -> None:
    done = hactl(site, *arguments)
    assert (done.returncode, message in done.stderr) == (code, True)


def test_a_closed_port_is_unreachable(site: Site) -> None:
    done = hactl(site, bootstrap="127.0.0.1:1")
    assert done.returncode == 4
    assert "cannot connect: Connection refused" in done.stderr
