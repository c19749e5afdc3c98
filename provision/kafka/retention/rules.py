"""Contradictions between parameters; each names the class of Kafka (3.9.1) that it follows from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from provision.kafka.retention.deadlines import rolled
from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic, Use
from provision.kafka.retention.volume import keys_per_pass


class Severity(StrEnum):
    """The effect: Kafka refuses the parameters, or they do something unexpected, or nothing."""

    REFUSED = "refused"
    WARNING = "warning"
    POINTLESS = "pointless"


@dataclass(frozen=True)
class Contradiction:
    """A contradiction: its rule and severity, the problem, the fix, and the class of Kafka."""

    rule: str
    severity: Severity
    problem: str
    fix: str
    source: str


Rule = Callable[[RetentionTopic, Cleaner, Use], Iterator[Contradiction]]


def lag_order(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The least compaction lag is above the greatest."""
    if topic.min_lag > topic.max_lag:
        yield Contradiction(
            "lag-order",
            Severity.REFUSED,
            f"min.compaction.lag.ms {topic.min_lag} is above max.compaction.lag.ms {topic.max_lag}",
            "lower min.compaction.lag.ms or raise max.compaction.lag.ms",
            "LogConfig.validateValues",
        )


def remote_compact(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Tiered storage supports only topics that are not compacted."""
    if topic.remote_storage and topic.compacts:
        yield Contradiction(
            "remote-compact",
            Severity.REFUSED,
            "remote.storage.enable is set, but cleanup.policy contains `compact`",
            "remove one of them",
            "LogConfig.validateNoRemoteStorageForCompactedTopic",
        )


def local_above_all(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The local retention is part of the whole retention."""
    for unit, local, whole in (
        ("ms", topic.local_retention_ms, topic.retention_ms),
        ("bytes", topic.local_retention_bytes, topic.retention_bytes),
    ):
        if topic.remote_storage and whole >= 0 and local != -2 and (local == -1 or local > whole):
            yield Contradiction(
                "local-retention",
                Severity.REFUSED,
                f"local.retention.{unit} {local} is above retention.{unit} {whole}",
                f"lower it, or set -2 for the value of retention.{unit}",
                f"LogConfig.validateRemoteStorageRetention{'Time' if unit == 'ms' else 'Size'}",
            )


def small_segment(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """From 4.0 on a segment has at least 1 MiB."""
    if topic.segment_bytes < 1 << 20 and cleaner.version >= (4, 0):
        yield Contradiction(
            "segment-small",
            Severity.REFUSED,
            f"segment.bytes {topic.segment_bytes} is below 1048576",
            "set 1 MiB or more",
            "LogConfig (KIP-1030)",
        )


def small_buffer(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The cleaner's threads share its buffer."""
    if topic.compacts and cleaner.dedupe_buffer // cleaner.threads <= 1 << 20:
        yield Contradiction(
            "buffer-small",
            Severity.REFUSED,
            f"log.cleaner.dedupe.buffer.size {cleaner.dedupe_buffer} "
            f"is 1 MiB or less for each of {cleaner.threads} threads",
            "set a larger buffer or fewer threads",
            "KafkaConfig",
        )


def message_above_segment(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """A batch must fit into a segment."""
    if topic.max_message_bytes > topic.segment_bytes:
        yield Contradiction(
            "message-above-segment",
            Severity.WARNING,
            f"max.message.bytes {topic.max_message_bytes} "
            f"is above segment.bytes {topic.segment_bytes}",
            "Kafka refuses batches that are larger than a segment: lower max.message.bytes",
            "UnifiedLog.append",
        )


def unbounded(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The policy is to delete, but nothing is ever deleted."""
    if topic.deletes and topic.retention_ms < 0 and topic.retention_bytes < 0:
        yield Contradiction(
            "unbounded",
            Severity.WARNING,
            "retention.ms and retention.bytes have no bound: nothing is ever deleted",
            "set one of them",
            "UnifiedLog.deleteOldSegments",
        )


def no_cleaner(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Only the cleaner compacts, and only the cleaner deletes from compacted logs."""
    if topic.compacts and not cleaner.enabled:
        yield Contradiction(
            "no-cleaner",
            Severity.WARNING,
            "log.cleaner.enable is false on the brokers: "
            "the topic is not compacted, and nothing is deleted",
            "enable the cleaner",
            "LogManager.cleanupLogs",
        )


def never_dirty(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The dirty share must exceed the ratio, and no share exceeds 1."""
    if topic.compacts and topic.dirty_ratio >= 1 and topic.max_lag == FOREVER:
        yield Contradiction(
            "never-compacted",
            Severity.WARNING,
            "min.cleanable.dirty.ratio 1 is never exceeded, "
            "and max.compaction.lag.ms has no bound: the topic is never compacted",
            "lower the ratio or set the lag",
            "LogCleanerManager.grabFilthiestCompactedLog",
        )


def segment_above_retention(
    topic: RetentionTopic, cleaner: Cleaner, use: Use
) -> Iterator[Contradiction]:
    """Kafka deletes only whole segments, at the intervals of its checks."""
    if topic.deletes and 0 <= topic.retention_ms < rolled(topic, use):
        yield Contradiction(
            "segment-above-retention",
            Severity.WARNING,
            f"a segment is rolled after up to {rolled(topic, use)} ms, "
            f"later than retention.ms {topic.retention_ms}",
            "lower segment.ms or segment.bytes: records stay for the sum of both times",
            "UnifiedLog.deleteRetentionMsBreachedSegments",
        )
    if topic.deletes and 0 <= topic.retention_bytes < topic.segment_bytes:
        yield Contradiction(
            "segment-above-bytes",
            Severity.WARNING,
            f"segment.bytes {topic.segment_bytes} is above retention.bytes {topic.retention_bytes}",
            "lower segment.bytes: the log grows to the sum of both",
            "UnifiedLog.deleteRetentionSizeBreachedSegments",
        )
    if topic.deletes and not topic.compacts and 0 <= topic.retention_ms < cleaner.check_interval:
        yield Contradiction(
            "check-above-retention",
            Severity.WARNING,
            f"log.retention.check.interval.ms {cleaner.check_interval} "
            f"is above retention.ms {topic.retention_ms}",
            "lower the interval: records stay for the sum of both times",
            "LogManager.startup",
        )


def deleted_uncompacted(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """Records are deleted before they may be compacted."""
    if topic.deletes and topic.compacts and 0 <= topic.retention_ms < topic.min_lag:
        yield Contradiction(
            "deleted-uncompacted",
            Severity.WARNING,
            f"retention.ms {topic.retention_ms} is below min.compaction.lag.ms {topic.min_lag}: "
            "records are deleted before they may be compacted",
            "remove `compact` or lower the lag",
            "LogCleanerManager.cleanableOffsets",
        )


def blind_deletes(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """A consumer has delete.retention.ms to learn of a deletion."""
    if topic.compacts and topic.delete_retention == 0:
        yield Contradiction(
            "blind-deletes",
            Severity.WARNING,
            "delete.retention.ms is 0: a consumer that reads the topic from its start "
            "may never learn that a key was deleted",
            "set the time in which the slowest consumer reads the whole topic",
            "Cleaner.shouldRetainRecord",
        )


def too_many_keys(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Iterator[Contradiction]:
    """Keys that do not fit into a pass wait for the next pass."""
    capacity, keys = keys_per_pass(cleaner), use.keys_per_partition
    if topic.compacts and keys > capacity:
        yield Contradiction(
            "too-many-keys",
            Severity.WARNING,
            f"a partition has {keys} keys, but a cleaner pass can hold only {capacity}",
            "use more partitions, a larger log.cleaner.dedupe.buffer.size "
            "or fewer log.cleaner.threads",
            "Cleaner.buildOffsetMapForSegment",
        )


def future_timestamps(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """Retention depends on the producers' clocks."""
    if (
        topic.deletes
        and topic.retention_ms >= 0
        and not topic.log_append_time
        and topic.timestamp_after_max == FOREVER
    ):
        yield Contradiction(
            "future-timestamps",
            Severity.WARNING,
            "records have the producers' timestamps, and a record with a timestamp in the future "
            "keeps its segment until then",
            "set message.timestamp.after.max.ms=3600000 or message.timestamp.type=LogAppendTime",
            "LogSegment.largestTimestamp",
        )


def pointless(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Parameters of a policy that the topic does not have."""
    default = RetentionTopic(topic.name)
    if not topic.deletes and (
        topic.retention_ms != default.retention_ms or topic.retention_bytes >= 0
    ):
        yield Contradiction(
            "retention-unused",
            Severity.POINTLESS,
            "retention.ms and retention.bytes have no effect without `delete` in cleanup.policy",
            "remove them, or set cleanup.policy to `compact,delete`",
            "UnifiedLog.deleteOldSegments",
        )
    compaction = (topic.min_lag, topic.max_lag, topic.dirty_ratio, topic.delete_retention)
    if not topic.compacts and compaction != (
        default.min_lag,
        default.max_lag,
        default.dirty_ratio,
        default.delete_retention,
    ):
        yield Contradiction(
            "compaction-unused",
            Severity.POINTLESS,
            "the parameters of compaction have no effect without `compact` in cleanup.policy",
            "remove them, or add `compact` to cleanup.policy",
            "LogCleanerManager",
        )


RULES: tuple[Rule, ...] = (
    lag_order,
    remote_compact,
    local_above_all,
    small_segment,
    small_buffer,
    message_above_segment,
    unbounded,
    no_cleaner,
    never_dirty,
    segment_above_retention,
    deleted_uncompacted,
    blind_deletes,
    too_many_keys,
    future_timestamps,
    pointless,
)


def contradictions(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> tuple[Contradiction, ...]:
    """All contradictions, the most severe first."""
    unordered = [result for rule in RULES for result in rule(topic, cleaner, use)]
    order = list(Severity)
    return tuple(sorted(unordered, key=lambda result: order.index(result.severity)))
