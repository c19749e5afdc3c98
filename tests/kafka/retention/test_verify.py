"""Real brokers keep and lose what the probe's plan says; where they do otherwise it is told; no probe stays behind."""

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
from provision.kafka.retention.probe.run import judged, run
from provision.kafka.retention.probe.topic import PREFIX, probe
from tests.kafka.cluster import USERS, Broker, broker
from tests.kafka.site import Site, until

pytestmark = pytest.mark.kafka

QUICK = {"log.cleaner.backoff.ms": 500, "log.retention.check.interval.ms": 500}
FIRST_TASK = 30
"""Seconds from the start of a broker until it looks for segments to delete (ServerLogConfigs, 3.9 and 4.x)."""
COMPACT = {
    "cleanup.policy": "compact", "segment.ms": "1000", "min.compaction.lag.ms": "60000",
    "delete.retention.ms": "86400000",
}  # fmt: skip
DELETE = {"segment.ms": "1000", "retention.ms": "12000", "retention.bytes": "1073741824"}
BOTH = {**DELETE, "cleanup.policy": "compact,delete", "retention.ms": "86400000"}


@pytest.fixture(scope="module")
def site(kraft_site: Site) -> Site:
    """The brokers with a topic of each policy."""
    for name, settings in {"keyed": COMPACT, "events": DELETE, "both": BOTH}.items():
        kraft_site.create(
            name, [(2, 3)], **{key.replace(".", "_"): value for key, value in settings.items()}
        )
    return kraft_site


def words(*topics: str) -> list[str]:
    """The command line of `hactl kafka retention verify`."""
    return [
        sys.executable,
        "-c",
        "from provision.commands.main import main; main()",
        "kafka",
        "retention",
        "verify",
        *topics,
    ]


def verify(*more: str) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    return subprocess.run(words(*more), capture_output=True, text=True, timeout=300, check=False)


def probes(site: Site) -> set[str]:
    """The probes that are there."""
    with site.admin() as admin:
        return {each["name"] for each in admin.describe_topics() if each["name"].startswith(PREFIX)}


def assert_no_probe(site: Site) -> None:
    """None is there, as soon as every broker has heard of the deletion."""
    until(lambda: not probes(site), 10)


def assert_all_holds(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Every check held; the names of them by topic."""
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    wrong = [
        (each["topic"], check) for each in told for check in each["checks"] if not check["well"]
    ]
    assert not wrong
    assert done.returncode == 0, done.stderr
    return {each["topic"]: [check["check"] for check in each["checks"]] for each in told}


KEYS = [
    "last values stay", "offsets stay", "order stays", "older values go", "tombstones go", "active segment stays",
    "keyless is refused",
]  # fmt: skip
AGES = ["earliest offset", "not too early", "not too late"]
SIZES = ["enough is left", "the rest goes", "first deletion"]


def test_a_topic_of_each_policy_does_as_planned_and_is_left_alone(site: Site) -> None:
    done = verify("keyed", "events", "both", "--bootstrap", site.bootstrap, "--json")
    assert assert_all_holds(done) == {
        "keyed": [*KEYS, "earliest offset stays"], "events": [*AGES, *SIZES], "both": [*KEYS, *AGES, *SIZES],
    }  # fmt: skip
    assert_no_probe(site)
    with site.admin() as admin:
        seen, _ = look(admin, ["keyed"])
        folders = admin.describe_log_dirs(["keyed"], [2])[0]["log_dirs"]
    assert seen[0].own == COMPACT
    parts = [part for each in folders for topic in each["topics"] for part in topic["partitions"]]
    assert [part["partition_size"] for part in parts] == [0], (
        "nothing is written into the topic itself"
    )


def tls_client(one: Broker) -> Path:
    """The properties of a client that logs in as the administrator."""
    path = one.folder / "client.properties"
    password = USERS["admin"].replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(
        f"bootstrap.servers=127.0.0.1:{one.port}\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="admin" password="{password}";\n'
        f"ssl.truststore.type=PEM\nssl.truststore.location={one.folder / 'etc' / 'ca.pem'}\n"
    )
    return path


def test_kafka_4_does_as_planned_behind_tls_and_scram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    properties = {
        **QUICK,
        "log.cleaner.dedupe.buffer.size": 4194304,
        "offsets.topic.num.partitions": 1,
    }
    with broker(tmp_path, "4.1.0", properties=properties) as one:
        client = tls_client(one)
        with connected(login("", client)) as admin:
            admin.create_topics(
                {name: {"num_partitions": 1, "replication_factor": 1, "configs": settings}
                 for name, settings in {"keyed": COMPACT, "events": DELETE, "both": BOTH}.items()},
                wait_for_metadata=True,
            )  # fmt: skip
        time.sleep(FIRST_TASK)
        found = assert_all_holds(verify("--client", str(client), "--json"))
        assert {name: len(checks) for name, checks in found.items()} == {
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
def test_brokers_that_do_otherwise_than_planned_are_told(
    site: Site, name: str, real: dict[str, str], check: str
) -> None:
    """The probe is made with other parameters than those that are planned with."""
    asked = login(site.bootstrap, None)
    with connected(asked) as admin:
        seen, _ = look(admin, [name])
        planned = design(seen[0].topic, seen[0].cleaner)
        made = probe(planned, seen[0])
        made.design = Lying(**vars(planned))
        made.own = {**planned.settings(seen[0].own), **real}
        run(asked, admin, [made], lambda _: None)
    failed = {
        each.check for outcomes in judged(made).values() for each in outcomes if not each.well
    }
    assert check in failed
    assert_no_probe(site)


class Lying(Design):
    """Makes its probe with what it is given, whatever it plans with."""

    def settings(self, own: Any) -> dict[str, str]:
        """Those alone."""
        return dict(own)


def test_a_wait_that_is_too_long_is_refused_before_anything_is_made(site: Site) -> None:
    done = verify("keyed", "--bootstrap", site.bootstrap, "--wait", "5")
    assert done.returncode == 64
    assert "longer than 5 s: log.cleaner.backoff.ms is 0.5 s" in done.stderr
    assert_no_probe(site)


@contextmanager
def underway(site: Site) -> Iterator[subprocess.Popen[str]]:
    """A run whose probe is there."""
    before = probes(site)
    argv = words("keyed", "--bootstrap", site.bootstrap)
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
        _, said = process.communicate(timeout=60)
        assert (process.returncode, "interrupted" in said) == (130, True)
    assert_no_probe(site)


def test_what_a_killed_run_left_is_removed_by_the_next_and_what_another_run_uses_is_not(
    site: Site,
) -> None:
    with underway(site) as killed:
        killed.kill()
    (left,) = probes(site)
    with underway(site) as first:
        second = verify("keyed", "--bootstrap", site.bootstrap, "--json")
        _, said = first.communicate(timeout=120)
        assert f"removed {left}, the leftovers of a killed run" in said
        assert first.returncode == 0, "the second run left its probe alone"
        assert "removed" not in second.stderr
        assert_all_holds(second)
    assert_no_probe(site)


def test_a_planned_topic_has_parts_to_fail(site: Site) -> None:
    """What the cases above rely on: nothing of these topics is left out."""
    with site.admin() as admin:
        seen, _ = look(admin, ["keyed", "events", "both"])
    parts = {each.topic.name: design(each.topic, each.cleaner).parts for each in seen}
    assert parts == {
        "keyed": (Part.KEYS,), "events": (Part.AGE, Part.SIZE), "both": (Part.KEYS, Part.AGE, Part.SIZE),
    }  # fmt: skip
