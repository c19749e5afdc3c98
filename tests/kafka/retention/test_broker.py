"""A real broker keeps what the plan says, no longer and no less: deleted by time, compacted by key, tombstones gone."""

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
from provision.kafka.retention.model import RetentionTopic, Use, cleaner, topic
from provision.kafka.retention.volume import replica_bytes
from tests.kafka.site import COMMON, Site, until

pytestmark = pytest.mark.kafka

SLACK = 3000
"""Milliseconds that this machine may take to look, and a broker's threads to get their turn."""

BROKER = cleaner(COMMON, (3, 9))
FADING = {
    "retention.ms": "1500", "segment.bytes": "20000", "segment.ms": "1000", "file.delete.delay.ms": "500",
    "max.message.bytes": "10000",
}  # fmt: skip
CHANGING = {
    "cleanup.policy": "compact", "segment.ms": "1000", "max.compaction.lag.ms": "1500", "delete.retention.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(kraft_site: Site) -> Site:
    """The brokers with a topic that is deleted from and one that is compacted."""
    kraft_site.create(
        "fading", [(1,)], **{key.replace(".", "_"): value for key, value in FADING.items()}
    )
    kraft_site.create(
        "changing", [(1,)], **{key.replace(".", "_"): value for key, value in CHANGING.items()}
    )
    return kraft_site


def planned(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    """`hactl kafka retention plan` on the site."""
    argv = [
        sys.executable,
        "-c",
        "from provision.commands.main import main; main()",
        "kafka",
        "retention",
        "plan",
        *words,
    ]
    argv += ["--bootstrap", site.bootstrap]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def plan_of(site: Site, *words: str) -> dict[str, object]:
    """`hactl kafka retention plan --json` of one topic."""
    done = planned(site, *words, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def consumed(site: Site, name: str) -> list[tuple[int, bytes | None, bytes | None]]:
    """Offset, key and value of every record that can be read."""
    part = kafka.TopicPartition(name, 0)
    with closing(
        kafka.KafkaConsumer(bootstrap_servers=site.bootstrap, consumer_timeout_ms=1500)
    ) as consumer:
        consumer.assign([part])
        consumer.seek_to_beginning(part)
        return [(each.offset, each.key, each.value) for each in consumer]


def test_the_parameters_are_read_from_the_running_cluster(site: Site) -> None:
    use = Use(1, {1: 1}, rate=10_000)
    found = plan_of(site, "fading", "--rate", "10000")
    about = topic("fading", FADING)
    volume = replica_bytes(about, BROKER, use)
    assert volume
    assert (found["readable_ms"], found["replica_bytes"]) == (
        readable(about, BROKER, use),
        volume.bytes,
    )
    assert found["broker_bytes"] == {"1": volume.bytes}
    assert "segment-above-retention" not in str(found["contradictions"])
    assert plan_of(site, "changing")["superseded_ms"] == 1500 + 500


def test_a_topic_that_is_not_there_is_told(site: Site) -> None:
    done = planned(site, "none")
    assert (done.returncode, "there is no topic none" in done.stderr) == (64, True)


def writes(
    site: Site, name: str, size: int, every: float, seconds: float
) -> Iterator[dict[int, float]]:
    """Write a record of so many bytes ever so often; at each one the times by offset so far."""
    sent: dict[int, float] = {}
    with closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            sent[producer.send(name, b"x" * size, partition=0).get(20).offset] = time.monotonic()
            yield sent
            time.sleep(every)


def test_no_record_can_be_read_for_longer_and_no_replica_takes_more_than_planned(
    site: Site,
) -> None:
    size, every = 1930, 0.2
    use = Use(1, rate=2000 / every)
    about = topic("fading", FADING)
    bound, volume = readable(about, BROKER, use), replica_bytes(about, BROKER, use)
    assert bound and volume
    part, oldest, most, first = kafka.TopicPartition("fading", 0), 0.0, 0, 0
    with site.admin() as admin:
        for sent in writes(site, "fading", size, every, 3 * bound / 1000):
            first = next(iter(admin.list_partition_offsets({part: -2}).values())).offset
            oldest = max(oldest, time.monotonic() - sent.get(first, time.monotonic()))
            folders = admin.describe_log_dirs(["fading"], [1])[0]["log_dirs"]
            most = max(
                most,
                sum(
                    p["partition_size"]
                    for f in folders
                    for t in f["topics"]
                    for p in t["partitions"]
                ),
            )
    assert first > 0, "nothing was deleted"
    assert 1500 < oldest * 1000 <= bound + SLACK
    assert most <= volume.bytes + SLACK / 1000 * 2000 / every


def test_what_passes_put_with_younger_records_outlives_retention(site: Site) -> None:
    """The plan of a topic that is deleted from and compacted has no bound, and this is why."""
    times = {"cleanup_policy": "compact,delete", "segment_ms": "500", "retention_ms": "3000"}
    site.create("outliving", [(1,)], min_cleanable_dirty_ratio="0.01", **times)
    with closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer:
        producer.send("outliving", b"old", b"settled", partition=0).get(20)
        began = time.monotonic()
        while time.monotonic() - began < 15:
            producer.send("outliving", b"young", b"busy", partition=0).get(20)
            time.sleep(0.6)
    assert consumed(site, "outliving")[0] == (0, b"settled", b"old")


def test_a_record_without_a_key_is_refused_where_keys_count(site: Site) -> None:
    with (
        closing(kafka.KafkaProducer(bootstrap_servers=site.bootstrap)) as producer,
        pytest.raises(kafka.errors.KafkaError, match="without key"),
    ):
        producer.send("changing", b"a value", partition=0).get(20)


def test_compaction_leaves_the_last_values_in_order_at_their_offsets_and_no_tombstone(
    site: Site,
) -> None:
    about: RetentionTopic = topic("changing", CHANGING)
    gone, tombs = superseded(about, BROKER, Use(1)), tombstone_gone(about, BROKER, Use(1))
    assert gone and tombs
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
            kept = [each for each in consumed(site, "changing") if each[1] != b"tick"]
            return len(kept) == 9

        until(settled, tombs / 1000 + 4 * SLACK / 1000 + 20)
        took = (time.monotonic() - began) * 1000
    kept = [each for each in consumed(site, "changing") if each[1] != b"tick"]
    assert [offset for offset, *_ in kept] == sorted(offset for offset, *_ in kept)
    assert {key: (offset, value) for offset, key, value in kept} == {
        key: found for key, found in last.items() if key not in (b"tick", b"k3")
    }
    assert took > about.delete_retention, "a tombstone stays for delete.retention.ms at least"
