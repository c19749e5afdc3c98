"""A real broker keeps records as long as the plan says: deletion, compaction, tombstones."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import kafka
import pytest

from provision.kafka.retention.deadlines import readable, superseded, tombstone_gone
from provision.kafka.retention.model import Use, cleaner, topic
from provision.kafka.retention.volume import replica_bytes
from tests.kafka.site import COMMON, Site, until

pytestmark = pytest.mark.kafka

SLACK = 3000
"""Milliseconds that a look and the broker's threads may take on this machine."""

BROKER = cleaner(COMMON, (3, 9))
FADING = {
    "retention.ms": "1500",
    "segment.bytes": "20000",
    "segment.ms": "1000",
    "file.delete.delay.ms": "500",
    "max.message.bytes": "10000",
}
CHANGING = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1500",
    "delete.retention.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
}


@pytest.fixture(scope="module")
def site(kraft_site: Site) -> Site:
    """The brokers, a topic with the policy `delete` and a topic with the policy `compact`."""
    kraft_site.create(
        "fading", [(1,)], **{key.replace(".", "_"): value for key, value in FADING.items()}
    )
    kraft_site.create(
        "changing", [(1,)], **{key.replace(".", "_"): value for key, value in CHANGING.items()}
    )
    return kraft_site


def run_plan(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `hactl kafka retention plan` on the site."""
    argv = [
        sys.executable,
        "-c",
        "from provision.commands.main import main; main()",
        "kafka",
        "retention",
        "plan",
        *arguments,
    ]
    argv += ["--bootstrap", site.bootstrap]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def plan_of(site: Site, *arguments: str) -> dict[str, object]:
    """The output of `hactl kafka retention plan --json` for a topic."""
    done = run_plan(site, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    (plan,) = json.loads(done.stdout)
    assert isinstance(plan, dict)
    return plan


def consumed(site: Site, name: str) -> list[tuple[int, bytes | None, bytes | None]]:
    """Offset, key and value of every record that can be read."""
    part = kafka.TopicPartition(name, 0)
    with closing(
        kafka.KafkaConsumer(bootstrap_servers=site.bootstrap, consumer_timeout_ms=1500)
    ) as consumer:
        consumer.assign([part])
        consumer.seek_to_beginning(part)
        return [(record.offset, record.key, record.value) for record in consumer]


def test_the_parameters_are_read_from_the_running_cluster(site: Site) -> None:
    use = Use(1, {1: 1}, rate=10_000)
    plan = plan_of(site, "fading", "--rate", "10000")
    fading = topic("fading", FADING)
    volume = replica_bytes(fading, BROKER, use)
    assert volume
    assert (plan["readable_ms"], plan["replica_bytes"]) == (
        readable(fading, BROKER, use),
        volume.bytes,
    )
    assert plan["broker_bytes"] == {"1": volume.bytes}
    assert "segment-above-retention" not in str(plan["contradictions"])
    assert plan_of(site, "changing")["superseded_ms"] == 1500 + 500


def test_an_unknown_topic_is_an_error(site: Site) -> None:
    done = run_plan(site, "none")
    assert (done.returncode, "there is no topic none" in done.stderr) == (64, True)


def writes(
    site: Site, name: str, size: int, interval: float, seconds: float
) -> Iterator[dict[int, float]]:
    """Write a record of `size` bytes in each interval; yields the times of all writes by offset."""
    sent: dict[int, float] = {}
    with closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            sent[producer.send(name, b"x" * size, partition=0).get(20).offset] = time.monotonic()
            yield sent
            time.sleep(interval)


def test_no_record_is_readable_longer_and_no_replica_is_larger_than_planned(
    site: Site,
) -> None:
    size, interval = 1930, 0.2
    use = Use(1, rate=2000 / interval)
    fading = topic("fading", FADING)
    bound, volume = readable(fading, BROKER, use), replica_bytes(fading, BROKER, use)
    assert bound and volume
    partition, oldest, most, first = kafka.TopicPartition("fading", 0), 0.0, 0, 0
    with site.admin() as admin:
        for sent in writes(site, "fading", size, interval, 3 * bound / 1000):
            first = next(iter(admin.list_partition_offsets({partition: -2}).values())).offset
            oldest = max(oldest, time.monotonic() - sent.get(first, time.monotonic()))
            folders = admin.describe_log_dirs(["fading"], [1])[0]["log_dirs"]
            log_bytes = sum(
                log["partition_size"]
                for folder in folders
                for folder_topic in folder["topics"]
                for log in folder_topic["partitions"]
            )
            most = max(most, log_bytes)
    assert first > 0, "nothing was deleted"
    assert 1500 < oldest * 1000 <= bound + SLACK
    assert most <= volume.bytes + SLACK / 1000 * 2000 / interval


def test_a_record_that_a_pass_merges_with_newer_records_outlives_retention(site: Site) -> None:
    """This is why the plan of a topic with both policies has no bound."""
    times = {"cleanup_policy": "compact,delete", "segment_ms": "500", "retention_ms": "3000"}
    site.create("outliving", [(1,)], min_cleanable_dirty_ratio="0.01", **times)
    with closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer:
        producer.send("outliving", b"old", b"settled", partition=0).get(20)
        began = time.monotonic()
        while time.monotonic() - began < 15:
            producer.send("outliving", b"young", b"busy", partition=0).get(20)
            time.sleep(0.6)
    assert consumed(site, "outliving")[0] == (0, b"settled", b"old")


def test_a_compacted_topic_refuses_a_record_without_a_key(site: Site) -> None:
    with (
        closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer,
        pytest.raises(kafka.errors.KafkaError, match="without key"),
    ):
        producer.send("changing", b"a value", partition=0).get(20)


def test_compaction_keeps_the_last_values_in_order_at_their_offsets_and_no_tombstone(
    site: Site,
) -> None:
    changing = topic("changing", CHANGING)
    tombstone_bound = tombstone_gone(changing, BROKER, Use(1))
    assert superseded(changing, BROKER, Use(1)) and tombstone_bound
    last: dict[bytes, tuple[int, bytes | None]] = {}
    with closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer:

        def put(key: bytes, value: bytes | None) -> None:
            last[key] = (producer.send("changing", value, key, partition=0).get(20).offset, value)

        for turn in range(3):
            for number in range(10):
                put(b"k%d" % number, b"%d" % turn)
        put(b"k3", None)
        began = time.monotonic()

        def settled() -> bool:
            put(b"tick", b"%f" % time.monotonic())  # a segment is rolled by an append
            kept = [record for record in consumed(site, "changing") if record[1] != b"tick"]
            return len(kept) == 9

        until(settled, tombstone_bound / 1000 + 4 * SLACK / 1000 + 20)
        took = (time.monotonic() - began) * 1000
    kept = [record for record in consumed(site, "changing") if record[1] != b"tick"]
    assert [offset for offset, *_ in kept] == sorted(offset for offset, *_ in kept)
    assert {key: (offset, value) for offset, key, value in kept} == {
        key: record for key, record in last.items() if key not in (b"tick", b"k3")
    }
    assert took > changing.delete_retention, "a tombstone stays for at least delete.retention.ms"
