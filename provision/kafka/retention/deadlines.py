"""The latest times at which a record, an older value and a tombstone are removed. Pure.

Times are in milliseconds from the write; None means that there is no bound. They hold while records
are still written (an append rolls a segment), while clocks and record timestamps are right, and
while the cleaner keeps up.
"""

from __future__ import annotations

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic, Use


def rate_per_partition(use: Use) -> float | None:
    """Bytes per second written into a partition, None where unknown or 0."""
    return use.rate / use.partitions if use.rate else None


def rolled(topic: RetentionTopic, use: Use) -> int:
    """Time until a record's segment is rolled, since it is full or old (LogSegment.shouldRoll)."""
    rate = rate_per_partition(use)
    full = int(topic.segment_bytes / rate * 1000) if rate else topic.max_segment_ms
    return min(full, topic.max_segment_ms)


def round_time(topic: RetentionTopic, cleaner: Cleaner) -> int:
    """Time between two rounds in which the broker deletes segments.

    The task `kafka-log-retention` deletes from a topic that is not compacted
    (LogManager.cleanupLogs). A cleaner thread deletes from a compacted topic, after its back-off
    (LogCleaner.CleanerThread.doWork).
    """
    return cleaner.backoff if topic.compacts else cleaner.check_interval


def expired(topic: RetentionTopic, cleaner: Cleaner) -> int | None:
    """Time until retention.ms removes a segment, from the write of its last record.

    A segment is removed when its *largest* timestamp is older than retention.ms, even if it is the
    active segment (UnifiedLog.deleteRetentionMsBreachedSegments).
    """
    if not _is_deleted(topic, cleaner) or topic.retention_ms < 0:
        return None
    return topic.retention_ms + round_time(topic, cleaner)


def readable_by_time(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until retention.ms removes a record.

    The first record of a segment stays longer, by the time in which the segment fills. There is no
    bound for a compacted topic: a pass merges small segments (Cleaner.groupSegmentsBySize), so that
    an old record shares a segment with a young record, and stays with it.
    """
    segment_stay = expired(topic, cleaner)
    if segment_stay is None or topic.compacts:
        return None
    return rolled(topic, use) + segment_stay


def readable_by_size(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until retention.bytes removes a record.

    A segment is removed only when at least retention.bytes remain
    (UnifiedLog.deleteRetentionSizeBreachedSegments): it must be closed, and so many bytes must
    follow it. There is no bound for a compacted topic: those bytes may be compacted away.
    """
    rate = rate_per_partition(use)
    if not _is_deleted(topic, cleaner) or topic.retention_bytes < 0 or topic.compacts or not rate:
        return None
    return (
        rolled(topic, use) + int(topic.retention_bytes / rate * 1000) + round_time(topic, cleaner)
    )


def filled(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until retention.bytes removes the first segment of a log that was empty.

    The bound also holds for merged segments: the cleaner creates no segment larger than
    segment.bytes (Cleaner.groupSegmentsBySize).
    """
    rate = rate_per_partition(use)
    if not _is_deleted(topic, cleaner) or topic.retention_bytes < 0 or not rate:
        return None
    segment = (
        topic.segment_bytes
        if topic.compacts
        else min(topic.segment_bytes, rate * topic.max_segment_ms / 1000)
    )
    return int((segment + topic.retention_bytes) / rate * 1000) + round_time(topic, cleaner)


def readable(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until a record can no longer be read, by the rule that removes it first."""
    return _minimum(readable_by_time(topic, cleaner, use), readable_by_size(topic, cleaner, use))


def superseded(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until a value is removed, from the write of a newer value with the same key.

    The duration of a pass does not count. A log is due when its first dirty record is older than
    max.compaction.lag.ms (LogCleanerManager.maxCompactionDelay), or when its dirty share exceeds
    min.cleanable.dirty.ratio (LogCleanerManager.grabFilthiestCompactedLog).
    """
    if not topic.compacts or not cleaner.enabled:
        return None
    bounds = []
    if topic.max_lag < FOREVER:
        bounds.append(topic.max_lag + cleaner.backoff)
    dirty, rate = dirty_bytes(topic, use), rate_per_partition(use)
    if dirty is not None and rate:
        bounds.append(
            int(dirty / rate * 1000) + max(rolled(topic, use), topic.min_lag) + cleaner.backoff
        )
    return min(bounds, default=None)


def dirty_bytes(topic: RetentionTopic, use: Use) -> int | None:
    """Bytes of a partition that can be dirty before a pass.

    The ratio refers to the log without its active segment.
    """
    clean = clean_bytes(use)
    if clean is None or topic.dirty_ratio >= 1:
        return None
    return int(clean * topic.dirty_ratio / (1 - topic.dirty_ratio))


def clean_bytes(use: Use) -> int | None:
    """Bytes of a partition in which each key has a single value."""
    if use.keys is None or use.record_bytes is None:
        return None
    return use.keys_per_partition * use.record_bytes


def tombstone_gone(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Time until a tombstone is removed.

    The first pass writes the horizon into the batch, which is delete.retention.ms later
    (RecordBatch.deleteHorizonMs). The first pass after the horizon removes the tombstone
    (Cleaner.shouldRetainRecord).
    """
    pass_time = superseded(topic, cleaner, use)
    return None if pass_time is None else pass_time + topic.delete_retention + pass_time


def _is_deleted(topic: RetentionTopic, cleaner: Cleaner) -> bool:
    """Whether the brokers apply the retention.

    Only the cleaner applies it to a compacted log (LogManager.cleanupLogs).
    """
    return topic.deletes and (cleaner.enabled or not topic.compacts)


def _minimum(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)
