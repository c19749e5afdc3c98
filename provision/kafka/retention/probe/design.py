"""The design of a probe: the topic's parameters with shorter times and smaller sizes. Pure.

The probe has a partition for each part to verify, since the parts hide each other: where
retention.bytes removes segments, no segment gets as old as retention.ms.
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
"""Milliseconds: the most for segment.ms in the probe, and for retention.ms unless it needs more."""

MARGIN = 500
"""Milliseconds from the moment at which a segment is too old to the next round."""

SLACK_MS = 5_000
"""Milliseconds beyond a deadline that threads, network and a look may take."""

VALUE_BYTES = 100
"""Bytes of a value; they are random, so that compression does not shrink them."""

RECORD_BYTES = (VALUE_BYTES + 10, VALUE_BYTES + 110)
"""Least and most bytes of a record on the disk; the most is for a batch of a single record.

A DefaultRecordBatch takes 61 bytes.
"""

SETTLED_KEYS, DOOMED_KEYS = 8, 2
"""Keys whose last value must stay, and keys that are deleted; another key is always written."""

KEYS = SETTLED_KEYS + DOOMED_KEYS + 1
MAX_BALLAST = 1_200
"""Most records in a round that make a log dirty."""

BULK = {False: 64 << 10, True: 256 << 10}
"""Bytes of a round in the partition for retention.bytes: without and with compaction."""

MIB = 1 << 20
UNVERIFIABLE = (
    "no-cleaner",
    "never-compacted",
    "deleted-uncompacted",
    "remote-compact",
    "lag-order",
    "segment-small",
)
"""Contradictions with which there is nothing to verify, or Kafka would refuse the probe."""


class Part(StrEnum):
    """The part that a partition of the probe verifies."""

    KEYS = "compaction"
    AGE = "retention.ms"
    SIZE = "retention.bytes"


@dataclass(frozen=True)
class ConfigChange:
    """A parameter whose value in the probe differs from the topic's; the numbers are Kafka's."""

    key: str
    topic: int
    probe: int


@dataclass(frozen=True)
class Design:
    """The design of a probe.

    `original` are the topic's parameters, `topic` the probe's, and `cleaner` those of the leading
    broker. `parts` are the probe's partitions in their order. `left_out` are messages about parts
    that cannot be verified. `ballast` is the number of records in a round that make the log dirty.
    `bulk` is the number of bytes of a round in the partition for retention.bytes.
    """

    original: RetentionTopic
    topic: RetentionTopic
    cleaner: Cleaner
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]
    ballast: int
    bulk: int

    @property
    def interval(self) -> int:
        """Milliseconds between two rounds."""
        return self.topic.max_segment_ms + MARGIN

    @property
    def slack(self) -> int:
        """Milliseconds beyond a deadline: a segment closes only with the next round."""
        return 2 * self.interval + SLACK_MS

    @property
    def use(self) -> Use:
        """The use of the partition with keyed data."""
        rate = self.ballast * RECORD_BYTES[0] / self.interval * 1000
        return Use(1, rate=rate, keys=KEYS, record_bytes=RECORD_BYTES[1])

    @property
    def bulk_use(self) -> Use:
        """The use of the partition that fills up."""
        return Use(1, rate=self.bulk / self.interval * 1000)

    @property
    def segment(self) -> int:
        """Bytes of a segment in the partition that fills up; the cleaner merges small segments."""
        return (
            self.topic.segment_bytes
            if self.topic.compacts
            else min(self.topic.segment_bytes, self.bulk)
        )

    @property
    def changes(self) -> tuple[ConfigChange, ...]:
        """The shortened parameters, by Kafka's names."""
        changes = (
            ConfigChange(key, getattr(self.original, name), getattr(self.topic, name))
            for key, name in SHORTENED.items()
        )
        return tuple(change for change in changes if change.topic != change.probe)

    def settings(self, overrides: Mapping[str, str]) -> dict[str, str]:
        """The probe's parameters by Kafka's names; `overrides` are those set on the topic.

        The broker's clock counts, so that this machine's clock does not matter. Segments have no
        jitter, so that their borders are known. Parameters that name the topic's partitions are
        left out.
        """
        kept = {
            key: value for key, value in overrides.items() if not key.endswith("throttled.replicas")
        }
        shortened = {change.key: str(change.probe) for change in self.changes}
        return {
            **kept,
            **shortened,
            "message.timestamp.type": "LogAppendTime",
            "segment.jitter.ms": "0",
        }

    @property
    def longest(self) -> int:
        """Milliseconds until the probe has shown everything, or something is late for certain."""
        times = {
            Part.KEYS: lambda: (
                self.interval + (tombstone_gone(self.topic, self.cleaner, self.use) or 0)
            ),
            Part.AGE: lambda: 2 * self.interval + (expired(self.topic, self.cleaner) or 0),
            Part.SIZE: lambda: filled(self.topic, self.cleaner, self.bulk_use) or 0,
        }
        return max(times[part]() for part in self.parts) + self.slack


SHORTENED = {
    "segment.ms": "segment_ms",
    "segment.bytes": "segment_bytes",
    "retention.ms": "retention_ms",
    "retention.bytes": "retention_bytes",
    "min.compaction.lag.ms": "min_lag",
    "max.compaction.lag.ms": "max_lag",
    "delete.retention.ms": "delete_retention",
}
"""The fields of RetentionTopic by Kafka's names."""


def design(topic: RetentionTopic, cleaner: Cleaner) -> Design:
    """The design of a probe for a topic with these parameters, on brokers with this cleaner.

    Raises:
        HactlError: there is nothing to verify; the message has the reason.
    """
    _require_verifiable(topic, cleaner)
    bulk = min(BULK[topic.compacts], topic.segment_bytes // 2)
    short = _shortened(topic, cleaner, bulk)
    parts, left_out = _parts(short, bulk)
    result = Design(topic, short, cleaner, parts, left_out, _ballast(short), bulk)
    if topic.compacts and topic.deletes and topic.retention_ms >= 0:
        # The probe's records must not expire before compaction is verified.
        keys = replace(result, parts=(Part.KEYS,)).longest
        short = replace(short, retention_ms=min(topic.retention_ms, max(RETENTION, keys)))
        parts, left_out = _parts(short, bulk)
        result = replace(result, topic=short, parts=parts, left_out=left_out)
    if not parts:
        reason = "; ".join(left_out) or "nothing is ever deleted or compacted"
        raise HactlError(f"{topic.name}: there is nothing to verify: {reason}")
    return result


def _require_verifiable(topic: RetentionTopic, cleaner: Cleaner) -> None:
    by_rule = {item.rule: item for item in contradictions(topic, cleaner, Use(1))}
    for rule in UNVERIFIABLE:
        if rule in by_rule:
            text = f"{topic.name}: there is nothing to verify: {rule}: {by_rule[rule].problem}"
            raise HactlError(text, by_rule[rule].fix)
    if topic.remote_storage:
        raise HactlError(
            f"{topic.name}: a topic with tiered storage cannot be verified",
            "the probe would leave its segments in the remote store",
        )


def _shortened(topic: RetentionTopic, cleaner: Cleaner, bulk: int) -> RetentionTopic:
    """The topic with short times, which are long enough to tell early removal from normal removal.

    A cleaner that ignores min.compaction.lag.ms passes within a round and its back-off. A cleaner
    that ignores delete.retention.ms removes tombstones with the second pass.
    """
    short = replace(topic, segment_ms=min(topic.segment_ms, SEGMENT))
    if topic.compacts:
        pass_time = short.max_segment_ms + MARGIN + cleaner.backoff
        min_lag = pass_time + short.max_segment_ms
        max_lag = topic.max_lag
        if max_lag != FOREVER:
            max_lag = min(max_lag, min_lag + SEGMENT)
        short = replace(short, min_lag=min(topic.min_lag, min_lag), max_lag=max_lag)
        short = replace(short, delete_retention=min(topic.delete_retention, 2 * pass_time))
    if topic.deletes:
        short = replace(short, retention_ms=min(topic.retention_ms, RETENTION))
        short = replace(short, retention_bytes=min(topic.retention_bytes, 2 * bulk))
    if topic.deletes and topic.compacts and topic.retention_bytes >= 0:
        short = replace(short, segment_bytes=min(topic.segment_bytes, MIB))
    return short


def _ballast(topic: RetentionTopic) -> int:
    """The number of records in a round whose dirty share exceeds the ratio; few if a lag decides.

    Raises:
        HactlError: there would be too many records.
    """
    if not topic.compacts:
        return 0
    ratio = topic.dirty_ratio
    least, most = RECORD_BYTES
    count = math.ceil(KEYS * most / least * ratio / (1 - ratio)) + 2 if ratio < 1 else FOREVER
    if count <= MAX_BALLAST:
        return count
    if topic.max_lag < FOREVER:
        return KEYS
    raise HactlError(
        f"{topic.name}: with min.cleanable.dirty.ratio {ratio:g} a pass starts only after {count} "
        f"records beside {KEYS} keys, more than a probe writes",
        "lower the ratio, or set max.compaction.lag.ms",
    )


def _parts(topic: RetentionTopic, bulk: int) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """The parts of the shortened topic that can be verified, and messages about the others."""
    parts, left_out = [], []
    interval = topic.max_segment_ms + MARGIN
    if topic.compacts:
        parts.append(Part.KEYS)
    if topic.deletes and topic.retention_ms >= 0:
        if 0 <= topic.retention_bytes < bulk:
            left_out.append(
                f"retention.ms: retention.bytes {topic.retention_bytes} is always reached first"
            )
        else:
            parts.append(Part.AGE)
    if topic.deletes and topic.retention_bytes >= 0:
        rounds = (
            topic.retention_bytes / bulk + (topic.segment_bytes / bulk if topic.compacts else 1) + 2
        )
        if 0 <= topic.retention_ms < rounds * interval:
            left_out.append(
                f"retention.bytes: retention.ms {topic.retention_ms} is always reached first"
            )
        else:
            parts.append(Part.SIZE)
    return tuple(parts), tuple(left_out)
