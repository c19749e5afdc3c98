"""The probe of a topic: its parameters with the times and sizes that nobody can wait for shortened. Pure.

The probe has a partition for each thing to show, since what shows the one hides the other: where retention.bytes
removes segments, none gets as old as retention.ms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from provision.core.errors import HactlError
from provision.kafka.retention.deadlines import expired, filled, tombstone_gone
from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic, Use
from provision.kafka.retention.rules import contradictions

SEGMENT, RETENTION = 3_000, 30_000
"""Milliseconds at most, in the probe, of segment.ms, and of retention.ms where nothing asks for more."""

MARGIN = 500
"""Milliseconds that a round comes after its predecessor's segment is too old."""

SLACK_MS = 5_000
"""Milliseconds that threads, network and a look may take beyond what is planned."""

VALUE = 100
"""Bytes of a value: random, so that no compression makes them fewer."""

RECORD = (VALUE + 10, VALUE + 110)
"""Bytes of a record on the disk: at least, and at most, in a batch of its own (DefaultRecordBatch, 61 bytes)."""

SETTLED, DOOMED = 8, 2
"""Keys whose last value must stay, and keys that are deleted; one more is written all the time."""

KEYS = SETTLED + DOOMED + 1
BALLAST = 1_200
"""Records of a round at most that make a log dirty."""

BULK = {False: 64 << 10, True: 256 << 10}
"""Bytes of a round where retention.bytes is shown: without and with compaction."""

MIB = 1 << 20
HOPELESS = (
    "no-cleaner",
    "never-compacted",
    "deleted-uncompacted",
    "remote-compact",
    "lag-order",
    "segment-small",
)
"""Contradictions under which there is nothing to be seen, or Kafka would refuse the probe."""


class Part(StrEnum):
    """What a partition of the probe shows: compaction, retention.ms or retention.bytes."""

    KEYS = "compaction"
    AGE = "retention.ms"
    SIZE = "retention.bytes"


@dataclass(frozen=True)
class ConfigChange:
    """A parameter that the probe has otherwise than the topic; numbers as Kafka has them."""

    key: str
    topic: int
    probe: int


@dataclass(frozen=True)
class Design:
    """`original` are the topic's parameters, `topic` the probe's, `cleaner` those of the broker that leads it.

    `parts` are its partitions in order; `left_out` says what cannot be shown, and why; `every` is the time from one
    round of writing to the next, `ballast` how many records of it make the log dirty, `bulk` the bytes of one where
    retention.bytes is shown.
    """

    original: RetentionTopic
    topic: RetentionTopic
    cleaner: Cleaner
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    ballast: int
    bulk: int

    @property
    def every(self) -> int:
        """Milliseconds between two rounds."""
        return self.topic.max_segment_ms + MARGIN

    @property
    def slack(self) -> int:
        """What is granted beyond a deadline: segments close with the next round, not as time passes."""
        return 2 * self.every + SLACK_MS

    @property
    def use(self) -> Use:
        """What is made of the partition with keyed data."""
        rate = self.ballast * RECORD[0] / self.every * 1000
        return Use(1, rate=rate, keys=KEYS, record_bytes=RECORD[1])

    @property
    def bulk_use(self) -> Use:
        """What is made of the partition that fills up."""
        return Use(1, rate=self.bulk / self.every * 1000)

    @property
    def segment(self) -> int:
        """Bytes of a segment in the partition that fills up; the cleaner puts small ones together."""
        return (
            self.topic.segment_bytes
            if self.topic.compacts
            else min(self.topic.segment_bytes, self.bulk)
        )

    @property
    def changes(self) -> tuple[ConfigChange, ...]:
        """What was shortened, by Kafka's names."""
        pairs = {
            key: (getattr(self.original, name), getattr(self.topic, name))
            for key, name in SHORTENED.items()
        }
        return tuple(ConfigChange(key, was, now) for key, (was, now) in pairs.items() if was != now)

    def settings(self, own: Mapping[str, str]) -> dict[str, str]:
        """The probe's parameters by Kafka's names; `own` are those that are set on the topic.

        The broker's clock counts, so that this machine's may be wrong; segments close together, so that it is known
        where they begin. What names partitions of the topic does not go over.
        """
        kept = {key: value for key, value in own.items() if not key.endswith("throttled.replicas")}
        shortened = {each.key: str(each.probe) for each in self.changes}
        return {
            **kept,
            **shortened,
            "message.timestamp.type": "LogAppendTime",
            "segment.jitter.ms": "0",
        }

    @property
    def longest(self) -> int:
        """Milliseconds until all is seen, or it is certain that something is late."""
        found = {
            Part.KEYS: lambda: (
                self.every + (tombstone_gone(self.topic, self.cleaner, self.use) or 0)
            ),
            Part.AGE: lambda: 2 * self.every + (expired(self.topic, self.cleaner) or 0),
            Part.SIZE: lambda: filled(self.topic, self.cleaner, self.bulk_use) or 0,
        }
        return max(found[part]() for part in self.parts) + self.slack


SHORTENED = {
    "segment.ms": "segment_ms",
    "segment.bytes": "segment_bytes",
    "retention.ms": "retention_ms",
    "retention.bytes": "retention_bytes",
    "min.compaction.lag.ms": "min_lag",
    "max.compaction.lag.ms": "max_lag",
    "delete.retention.ms": "delete_retention",
}
"""The field of a topic's parameters behind Kafka's name."""


def design(topic: RetentionTopic, cleaner: Cleaner) -> Design:
    """The probe of a topic with these parameters on brokers with this cleaner.

    Raises:
        HactlError: there is nothing that could be seen; it says why.
    """
    _refuse(topic, cleaner)
    bulk = min(BULK[topic.compacts], topic.segment_bytes // 2)
    short = _shortened(topic, cleaner, bulk)
    parts, left_out = _parts(short, bulk)
    made = Design(topic, short, cleaner, parts, left_out, _ballast(short), bulk)
    if topic.compacts and topic.deletes and topic.retention_ms >= 0:
        # Compaction needs its time, in which the probe must not expire.
        keys = replace(made, parts=(Part.KEYS,)).longest
        short = replace(short, retention_ms=min(topic.retention_ms, max(RETENTION, keys)))
        parts, left_out = _parts(short, bulk)
        made = replace(made, topic=short, parts=parts, left_out=left_out)
    if not parts:
        why = "; ".join(left_out) or "nothing is ever deleted or compacted"
        raise HactlError(f"{topic.name}: there is nothing to verify: {why}")
    return made


def _refuse(topic: RetentionTopic, cleaner: Cleaner) -> None:
    found = {each.rule: each for each in contradictions(topic, cleaner, Use(1))}
    for rule in HOPELESS:
        if rule in found:
            what = f"{topic.name}: there is nothing to verify: {rule}: {found[rule].what}"
            raise HactlError(what, found[rule].fix)
    if topic.remote_storage:
        what = f"{topic.name}: tiered storage is not probed"
        raise HactlError(what, "the probe would leave its segments in the remote store")


def _shortened(topic: RetentionTopic, cleaner: Cleaner, bulk: int) -> RetentionTopic:
    """The topic with short times, but long enough that what comes too early is told from what comes by itself.

    A cleaner that does not heed min.compaction.lag.ms passes within a round and its back-off; one that does not heed
    delete.retention.ms takes tombstones with the second pass.
    """
    short = replace(topic, segment_ms=min(topic.segment_ms, SEGMENT))
    if topic.compacts:
        one_pass = short.max_segment_ms + MARGIN + cleaner.backoff
        young = one_pass + short.max_segment_ms
        old = topic.max_lag if topic.max_lag == FOREVER else min(topic.max_lag, young + SEGMENT)
        short = replace(short, min_lag=min(topic.min_lag, young), max_lag=old)
        short = replace(short, delete_retention=min(topic.delete_retention, 2 * one_pass))
    if topic.deletes:
        short = replace(short, retention_ms=min(topic.retention_ms, RETENTION))
        short = replace(short, retention_bytes=min(topic.retention_bytes, 2 * bulk))
    if topic.deletes and topic.compacts and topic.retention_bytes >= 0:
        short = replace(short, segment_bytes=min(topic.segment_bytes, MIB))
    return short


def _ballast(topic: RetentionTopic) -> int:
    """Records of a round that make more of the log dirty than the ratio asks for; few where a lag decides.

    Raises:
        HactlError: that would be too many.
    """
    if not topic.compacts:
        return 0
    ratio = topic.dirty_ratio
    count = (
        math.ceil(KEYS * RECORD[1] / RECORD[0] * ratio / (1 - ratio)) + 2 if ratio < 1 else FOREVER
    )
    if count <= BALLAST:
        return count
    if topic.max_lag < FOREVER:
        return KEYS
    what = f"{topic.name}: min.cleanable.dirty.ratio {ratio:g} lets a pass wait for {count} records beside {KEYS}"
    raise HactlError(f"{what}, more than a probe writes", "lower it, or set max.compaction.lag.ms")


def _parts(topic: RetentionTopic, bulk: int) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """What can be seen of the shortened topic, and what not, and why."""
    parts, left_out = [], []
    every = topic.max_segment_ms + MARGIN
    if topic.compacts:
        parts.append(Part.KEYS)
    if topic.deletes and topic.retention_ms >= 0:
        if 0 <= topic.retention_bytes < bulk:
            left_out.append(
                f"retention.ms: retention.bytes {topic.retention_bytes} is always reached before"
            )
        else:
            parts.append(Part.AGE)
    if topic.deletes and topic.retention_bytes >= 0:
        rounds = (
            topic.retention_bytes / bulk + (topic.segment_bytes / bulk if topic.compacts else 1) + 2
        )
        if 0 <= topic.retention_ms < rounds * every:
            left_out.append(
                f"retention.bytes: retention.ms {topic.retention_ms} is always reached before"
            )
        else:
            parts.append(Part.SIZE)
    return tuple(parts), tuple(left_out)
