"""How many bytes a replica takes at most, and how many keys one pass of the cleaner can hold. Pure.

Indexes are left out: 20 bytes for each `index.interval.bytes` (OffsetIndex and TimeIndex), half a per cent.
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

ENTRY = 24
"""Bytes of a key in SkimpyOffsetMap: 16 of an MD5, 8 of an offset."""


@dataclass(frozen=True)
class Volume:
    """Bytes of a replica at most, and which rule bounds them."""

    bytes: int
    rule: str


def keys_per_pass(cleaner: Cleaner) -> int:
    """Different keys that a pass can tell apart: slots of a thread's share of the buffer, times the load factor.

    LogCleaner.CleanerThread and Cleaner.buildOffsetMapForSegment. More keys take more passes over the log.
    """
    slots = min(cleaner.dedupe_buffer // cleaner.threads, 2**31 - 1) // ENTRY
    return int(slots * cleaner.load_factor)


def passes(cleaner: Cleaner, use: Use) -> int | None:
    """Passes that it takes to go once through all keys of a partition, None where the keys are unknown."""
    if use.keys is None:
        return None
    return max(1, math.ceil(use.keys_per_partition / max(1, keys_per_pass(cleaner))))


def by_size(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """retention.bytes and one segment, and what comes in until the files are gone.

    UnifiedLog.deleteRetentionSizeBreachedSegments; deleted files stay for file.delete.delay.ms
    (LocalLog.deleteSegmentFiles).
    """
    if not topic.deletes or topic.retention_bytes < 0 or (topic.compacts and not cleaner.enabled):
        return None
    meanwhile = (round_time(topic, cleaner) + topic.file_delete_delay) / 1000
    return Volume(
        topic.retention_bytes
        + topic.segment_bytes
        + int((rate_per_partition(use) or 0) * meanwhile),
        "retention.bytes",
    )


def by_time(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """All that is written until the files of a record are gone."""
    rate, stays = rate_per_partition(use), readable_by_time(topic, cleaner, use)
    if not rate or stays is None:
        return None
    return Volume(int(rate * (stays + topic.file_delete_delay) / 1000), "retention.ms")


def by_keys(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Volume | None:
    """What compaction leaves and needs: the clean part twice, since the files that a pass replaces stay for a while.

    Besides them the dirty part up to its ratio, the active segment, and what is too young (min.compaction.lag.ms).
    Cleaner.cleanSegments, UnifiedLog.replaceSegments.
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
    """What a replica takes at most: the tightest of the rules whose figures are known; None: nothing bounds it."""
    known = [volume for rule in RULES if (volume := rule(topic, cleaner, use))]
    return min(known, key=lambda volume: volume.bytes, default=None)
