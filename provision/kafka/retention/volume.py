"""The most bytes of a replica, and the most keys in a pass of the cleaner. Pure.

Indexes do not count: they take 20 bytes for each `index.interval.bytes` (OffsetIndex and
TimeIndex), which is half a per cent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from provision.kafka.retention.deadlines import (
    clean_bytes,
    dirty_bytes,
    rate_per_partition,
    readable_by_time,
    round_time,
)
from provision.kafka.retention.model import Cleaner, RetentionTopic, Use

ENTRY_BYTES = 24
"""Bytes of a key in SkimpyOffsetMap: 16 for an MD5 digest, 8 for an offset."""


@dataclass(frozen=True)
class Volume:
    """The most bytes of a replica, and the rule that bounds them."""

    bytes: int
    rule: str


def keys_per_pass(cleaner: Cleaner) -> int:
    """The number of different keys that a pass can hold; more keys need more passes over the log.

    It is the number of slots in a thread's share of the buffer, times the load factor
    (LogCleaner.CleanerThread and Cleaner.buildOffsetMapForSegment).
    """
    slots = min(cleaner.dedupe_buffer // cleaner.threads, 2**31 - 1) // ENTRY_BYTES
    return int(slots * cleaner.load_factor)


def passes(cleaner: Cleaner, use: Use) -> int | None:
    """The number of passes for all keys of a partition, None where the keys are unknown."""
    if use.keys is None:
        return None
    return max(1, math.ceil(use.keys_per_partition / max(1, keys_per_pass(cleaner))))


def by_size(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """retention.bytes, a segment, and the bytes that are written until the files are deleted.

    UnifiedLog.deleteRetentionSizeBreachedSegments. Deleted files stay for file.delete.delay.ms
    (LocalLog.deleteSegmentFiles).
    """
    if not topic.deletes or topic.retention_bytes < 0 or (topic.compacts and not cleaner.enabled):
        return None
    delay = (round_time(topic, cleaner) + topic.file_delete_delay) / 1000
    written = int((rate_per_partition(use) or 0) * delay)
    return Volume(topic.retention_bytes + topic.segment_bytes + written, "retention.bytes")


def by_time(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """The bytes that are written until the files of a record are deleted."""
    rate, readable = rate_per_partition(use), readable_by_time(topic, cleaner, use)
    if not rate or readable is None:
        return None
    return Volume(int(rate * (readable + topic.file_delete_delay) / 1000), "retention.ms")


def by_keys(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """The bytes that remain after compaction, and those that compaction needs.

    The clean part counts twice, since the files that a pass replaces stay for a while. The dirty
    part up to its ratio, the active segment and records younger than min.compaction.lag.ms are
    added. Cleaner.cleanSegments, UnifiedLog.replaceSegments.
    """
    clean, dirty, rate = clean_bytes(use), dirty_bytes(topic, use), rate_per_partition(use)
    if not topic.compacts or not cleaner.enabled or clean is None or dirty is None or rate is None:
        return None
    young = int(rate * (topic.min_lag + cleaner.backoff + topic.file_delete_delay) / 1000)
    return Volume(2 * clean + dirty + topic.segment_bytes + young, "compaction")


RULES: tuple[Callable[[RetentionTopic, Cleaner, Use], Volume | None], ...] = (
    by_size,
    by_time,
    by_keys,
)


def replica_bytes(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """The most bytes of a replica by the tightest rule; None where no rule applies."""
    known = [volume for rule in RULES if (volume := rule(topic, cleaner, use))]
    return min(known, key=lambda volume: volume.bytes, default=None)
