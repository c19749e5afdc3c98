"""When a record, an older value and a tombstone are gone at the latest. Pure; milliseconds, None: nothing bounds it.

Times count from the moment of the write and hold while records go on being written (a segment is rolled by an append),
clocks and record timestamps are right, and the cleaner keeps up.
"""

from __future__ import annotations

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic, Use


def rate_per_partition(use: Use) -> float | None:
    """Bytes a second into one partition, None where unknown or nothing is written."""
    return use.rate / use.partitions if use.rate else None


def rolled(topic: RetentionTopic, use: Use) -> int:
    """Until its segment is no longer the active one: full, or old (LogSegment.shouldRoll)."""
    rate = rate_per_partition(use)
    full = int(topic.segment_bytes / rate * 1000) if rate else topic.max_segment_ms
    return min(full, topic.max_segment_ms)


def round_time(topic: RetentionTopic, cleaner: Cleaner) -> int:
    """Between two looks for segments to delete.

    Of a topic that is only deleted the task `kafka-log-retention` takes care (LogManager.cleanupLogs); of one that is
    also compacted a cleaner thread, after its back-off (LogCleaner.CleanerThread.doWork).
    """
    return cleaner.backoff if topic.compacts else cleaner.check_interval


def expired(topic: RetentionTopic, cleaner: Cleaner) -> int | None:
    """Until retention.ms has removed a segment, counted from its last record.

    A segment goes when its *largest* timestamp is older than retention.ms, be it the active one
    (UnifiedLog.deleteRetentionMsBreachedSegments).
    """
    if not _is_deleted(topic, cleaner) or topic.retention_ms < 0:
        return None
    return topic.retention_ms + round_time(topic, cleaner)


def readable_by_time(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Until retention.ms has removed a record: a segment's first one stays for the time of the whole segment longer.

    Nothing bounds it where the topic is compacted as well: each pass puts what it leaves of small segments together
    (Cleaner.groupSegmentsBySize), so that an old record lies in a segment with a young one, and stays with it.
    """
    stays = expired(topic, cleaner)
    return None if stays is None or topic.compacts else rolled(topic, use) + stays


def readable_by_size(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Until retention.bytes has removed a record.

    A segment goes only when what remains is still at least retention.bytes
    (UnifiedLog.deleteRetentionSizeBreachedSegments): it has to be closed, and so much has to follow. Nothing bounds it
    where the topic is compacted as well, since what follows may be compacted away.
    """
    rate = rate_per_partition(use)
    if not _is_deleted(topic, cleaner) or topic.retention_bytes < 0 or topic.compacts or not rate:
        return None
    return (
        rolled(topic, use) + int(topic.retention_bytes / rate * 1000) + round_time(topic, cleaner)
    )


def filled(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Until retention.bytes removes a first segment of a log that was empty, whatever its segments are put together to.

    The cleaner leaves no segment larger than segment.bytes (Cleaner.groupSegmentsBySize).
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
    """Until a record can no longer be read, whichever rule comes first."""
    return _least(readable_by_time(topic, cleaner, use), readable_by_size(topic, cleaner, use))


def superseded(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Until a value is gone, counted from the write of a newer one with its key; passes take no time here.

    A log is due when its first dirty record is older than max.compaction.lag.ms (LogCleanerManager.maxCompactionDelay),
    or when its dirty share exceeds min.cleanable.dirty.ratio (LogCleanerManager.grabFilthiestCompactedLog).
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
    """How much of a partition can be dirty before a pass: the ratio is of the log without its active segment."""
    clean = clean_bytes(use)
    if clean is None or topic.dirty_ratio >= 1:
        return None
    return int(clean * topic.dirty_ratio / (1 - topic.dirty_ratio))


def clean_bytes(use: Use) -> int | None:
    """A partition in which each key has one value."""
    if use.keys is None or use.record_bytes is None:
        return None
    return use.keys_per_partition * use.record_bytes


def tombstone_gone(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> int | None:
    """Until a tombstone is gone: the first pass gives it delete.retention.ms, the first pass after that removes it.

    The horizon is written into the batch by the first pass (RecordBatch.deleteHorizonMs, Cleaner.shouldRetainRecord).
    """
    one_pass = superseded(topic, cleaner, use)
    return None if one_pass is None else one_pass + topic.delete_retention + one_pass


def _is_deleted(topic: RetentionTopic, cleaner: Cleaner) -> bool:
    """Whether anybody applies the retention: to compacted logs only the cleaner does (LogManager.cleanupLogs)."""
    return topic.deletes and (cleaner.enabled or not topic.compacts)


def _least(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)
