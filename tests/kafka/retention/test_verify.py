"""`hactl kafka retention verify` on real brokers: verdicts on correct and deviating brokers.

No probe is left behind.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provision.kafka.admin import connected
from provision.kafka.client_file import login
from provision.kafka.retention.fetch import look
from provision.kafka.retention.probe.design import Design, Part, design
from provision.kafka.retention.probe.run import evaluate, run
from provision.kafka.retention.probe.topic import PREFIX, probe
from tests.kafka.cluster import USERS, Broker, broker
from tests.kafka.site import Site, until

pytestmark = pytest.mark.kafka

QUICK = {"log.cleaner.backoff.ms": 500, "log.retention.check.interval.ms": 500}
FIRST_TASK = 30
"""Seconds from a broker's start to its first deletion of segments (ServerLogConfigs, 3.9, 4.x)."""

COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.compaction.lag.ms": "60000",
    "delete.retention.ms": "86400000",
}
DELETE = {"segment.ms": "1000", "retention.ms": "12000", "retention.bytes": "1073741824"}
BOTH = {**DELETE, "cleanup.policy": "compact,delete", "retention.ms": "86400000"}


@pytest.fixture(scope="module")
def site(kraft_site: Site) -> Site:
    """The brokers, and a topic for each policy."""
    for name, settings in {"keyed": COMPACT, "events": DELETE, "both": BOTH}.items():
        kraft_site.create(
            name, [(2, 3)], **{key.replace(".", "_"): value for key, value in settings.items()}
        )
    return kraft_site


def command_line(*arguments: str) -> list[str]:
    """The command line of `hactl kafka retention verify`."""
    return [
        sys.executable,
        "-c",
        "from provision.commands.main import main; main()",
        "kafka",
        "retention",
        "verify",
        *arguments,
    ]


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    argv = command_line(*arguments)
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


def probes(site: Site) -> set[str]:
    """The names of the existing probes."""
    with site.admin() as admin:
        names = {topic["name"] for topic in admin.describe_topics()}
    return {name for name in names if name.startswith(PREFIX)}


def assert_no_probe(site: Site) -> None:
    """No probe exists, once every broker knows of the deletion."""
    until(lambda: not probes(site), 10)


def assert_all_hold(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Every check held; returns the names of the checks by topic."""
    assert done.stdout, done.stderr
    verdicts = json.loads(done.stdout)
    failed = [
        (verdict["topic"], check)
        for verdict in verdicts
        for check in verdict["checks"]
        if not check["well"]
    ]
    assert not failed
    assert done.returncode == 0, done.stderr
    return {
        verdict["topic"]: [check["check"] for check in verdict["checks"]] for verdict in verdicts
    }


KEYS = [
    "last values stay",
    "offsets stay",
    "order stays",
    "older values go",
    "tombstones go",
    "active segment stays",
    "keyless is refused",
]
AGES = ["earliest offset", "not too early", "not too late"]
SIZES = ["enough is left", "the rest goes", "first deletion"]


def test_a_topic_of_each_policy_passes_and_is_not_changed(site: Site) -> None:
    done = verify("keyed", "events", "both", "--bootstrap", site.bootstrap, "--json")
    assert assert_all_hold(done) == {
        "keyed": [*KEYS, "earliest offset stays"],
        "events": [*AGES, *SIZES],
        "both": [*KEYS, *AGES, *SIZES],
    }
    assert_no_probe(site)
    with site.admin() as admin:
        infos, _ = look(admin, ["keyed"])
        folders = admin.describe_log_dirs(["keyed"], [2])[0]["log_dirs"]
    assert infos[0].overrides == COMPACT
    sizes = [
        partition["partition_size"]
        for folder in folders
        for topic in folder["topics"]
        for partition in topic["partitions"]
    ]
    assert sizes == [0], "nothing is written into the topic itself"


def tls_client(server: Broker) -> Path:
    """The properties file of a client that logs in as the administrator."""
    path = server.folder / "client.properties"
    password = USERS["admin"].replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(
        f"bootstrap.servers=127.0.0.1:{server.port}\n"
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="admin" password="{password}";\n'
        f"ssl.truststore.type=PEM\nssl.truststore.location={server.folder / 'etc' / 'ca.pem'}\n"
    )
    return path


def test_kafka_4_passes_behind_tls_and_scram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    properties = {
        **QUICK,
        "log.cleaner.dedupe.buffer.size": 4194304,
        "offsets.topic.num.partitions": 1,
    }
    topics = {
        name: {"num_partitions": 1, "replication_factor": 1, "configs": settings}
        for name, settings in {"keyed": COMPACT, "events": DELETE, "both": BOTH}.items()
    }
    with broker(tmp_path, "4.1.0", properties=properties) as server:
        client = tls_client(server)
        with connected(login("", client)) as admin:
            admin.create_topics(topics, wait_for_metadata=True)
        time.sleep(FIRST_TASK)
        checks_by_topic = assert_all_hold(verify("--client", str(client), "--json"))
        assert {name: len(checks) for name, checks in checks_by_topic.items()} == {
            "keyed": 8,
            "events": 6,
            "both": 13,
        }


@pytest.mark.parametrize(
    ("name", "real", "check"),
    [
        ("keyed", {"delete.retention.ms": "0"}, "tombstones go"),
        ("keyed", {"delete.retention.ms": "86400000"}, "tombstones go"),
        ("keyed", {"min.compaction.lag.ms": "0"}, "older values go"),
        ("keyed", {"cleanup.policy": "delete"}, "keyless is refused"),
        ("events", {"retention.ms": "3000"}, "not too early"),
        ("events", {"retention.ms": "86400000"}, "not too late"),
        ("events", {"retention.bytes": "20000"}, "enough is left"),
        ("events", {"retention.bytes": "400000"}, "the rest goes"),
    ],
)
def test_brokers_that_deviate_from_the_plan_fail_a_check(
    site: Site, name: str, real: dict[str, str], check: str
) -> None:
    """The probe has other parameters than those of its plan."""
    connection = login(site.bootstrap, None)
    with connected(connection) as admin:
        (info,), _ = look(admin, [name])
        plan = design(info.topic, info.cleaner)
        deviating = probe(plan, info)
        deviating.design = DeviatingDesign(**vars(plan))
        deviating.overrides = {**plan.settings(info.overrides), **real}
        run(connection, admin, [deviating], lambda _: None)
    failed = {
        outcome.check
        for outcomes in evaluate(deviating).values()
        for outcome in outcomes
        if not outcome.ok
    }
    assert check in failed
    assert_no_probe(site)


class DeviatingDesign(Design):
    """A design whose probe has only the given parameters, whatever the plan says."""

    def settings(self, overrides: Any) -> dict[str, str]:
        """The given parameters alone."""
        return dict(overrides)


def test_a_wait_that_is_too_long_is_refused_before_a_probe_is_created(site: Site) -> None:
    done = verify("keyed", "--bootstrap", site.bootstrap, "--wait", "5")
    assert done.returncode == 64
    assert "longer than 5 s: log.cleaner.backoff.ms is 0.5 s" in done.stderr
    assert_no_probe(site)


@contextmanager
def underway(site: Site) -> Iterator[subprocess.Popen[str]]:
    """A run of the command whose probe exists."""
    before = probes(site)
    argv = command_line("keyed", "--bootstrap", site.bootstrap)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: bool(probes(site) - before))
        time.sleep(3)
        try:
            yield process
        finally:
            process.kill()


def test_an_interrupted_run_removes_its_probe(site: Site) -> None:
    with underway(site) as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, "interrupted" in errors) == (130, True)
    assert_no_probe(site)


def test_a_run_removes_the_probe_of_a_killed_run_and_keeps_that_of_a_running_run(
    site: Site,
) -> None:
    with underway(site) as killed:
        killed.kill()
    (leftover,) = probes(site)
    with underway(site) as first:
        second = verify("keyed", "--bootstrap", site.bootstrap, "--json")
        _, errors = first.communicate(timeout=120)
        assert f"removed {leftover}, the leftovers of a killed run" in errors
        assert first.returncode == 0, "the second run did not remove its probe"
        assert "removed" not in second.stderr
        assert_all_hold(second)
    assert_no_probe(site)


def test_no_part_of_the_topics_above_is_left_out(site: Site) -> None:
    """The cases above rely on it."""
    with site.admin() as admin:
        infos, _ = look(admin, ["keyed", "events", "both"])
    parts = {info.topic.name: design(info.topic, info.cleaner).parts for info in infos}
    assert parts == {
        "keyed": (Part.KEYS,),
        "events": (Part.AGE, Part.SIZE),
        "both": (Part.KEYS, Part.AGE, Part.SIZE),
    }
