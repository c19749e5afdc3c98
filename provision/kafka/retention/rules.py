"""Parameters that contradict each other, each rule with the class of Kafka (3.9.1) that makes it one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from provision.kafka.retention.deadlines import rolled
from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic, Use
from provision.kafka.retention.volume import keys_per_pass


class Severity(StrEnum):
    """What comes of it: Kafka refuses it, it does other than it says, or it does nothing."""

    REFUSED = "refused"
    WARNING = "warning"
    POINTLESS = "pointless"


@dataclass(frozen=True)
class Contradiction:
    """Which rule, how grave, what is wrong, what to do, and the class of Kafka that it follows from."""

    rule: str
    weight: Severity
    what: str
    fix: str
    source: str


Rule = Callable[[RetentionTopic, Cleaner, Use], Iterator[Contradiction]]


def lag_order(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """A record cannot have to wait longer than it may."""
    if topic.min_lag > topic.max_lag:
        what = (
            f"min.compaction.lag.ms {topic.min_lag} is above max.compaction.lag.ms {topic.max_lag}"
        )
        yield Contradiction(
            "lag-order",
            Severity.REFUSED,
            what,
            "lower the one or raise the other",
            "LogConfig.validateValues",
        )


def remote_compact(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Tiered storage is for logs that are only deleted."""
    if topic.remote_storage and topic.compacts:
        what = "remote.storage.enable with a cleanup.policy that compacts"
        source = "LogConfig.validateNoRemoteStorageForCompactedTopic"
        yield Contradiction("remote-compact", Severity.REFUSED, what, "do without the one", source)


def local_above_all(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """What is kept locally is a part of what is kept."""
    for unit, local, whole in (
        ("ms", topic.local_retention_ms, topic.retention_ms),
        ("bytes", topic.local_retention_bytes, topic.retention_bytes),
    ):
        if topic.remote_storage and whole >= 0 and local != -2 and (local == -1 or local > whole):
            what = f"local.retention.{unit} {local} is above retention.{unit} {whole}"
            source = f"LogConfig.validateRemoteStorageRetention{'Time' if unit == 'ms' else 'Size'}"
            yield Contradiction(
                "local-retention", Severity.REFUSED, what, "-2 takes the whole's", source
            )


def small_segment(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """From 4.0 on a segment has at least 1 MiB."""
    if topic.segment_bytes < 1 << 20 and cleaner.version >= (4, 0):
        what = f"segment.bytes {topic.segment_bytes} is below 1048576"
        yield Contradiction(
            "segment-small", Severity.REFUSED, what, "1 MiB or more", "LogConfig (KIP-1030)"
        )


def small_buffer(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Each cleaner thread takes its share of the buffer."""
    if topic.compacts and cleaner.dedupe_buffer // cleaner.threads <= 1 << 20:
        what = f"log.cleaner.dedupe.buffer.size {cleaner.dedupe_buffer} is 1 MiB or less for each of {cleaner.threads}"
        yield Contradiction(
            "buffer-small",
            Severity.REFUSED,
            what,
            "a larger buffer or fewer threads",
            "KafkaConfig",
        )


def message_above_segment(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """A batch has to fit into a segment."""
    if topic.max_message_bytes > topic.segment_bytes:
        what = f"max.message.bytes {topic.max_message_bytes} is above segment.bytes {topic.segment_bytes}"
        fix = "larger batches than a segment are refused: lower max.message.bytes"
        yield Contradiction(
            "message-above-segment", Severity.WARNING, what, fix, "UnifiedLog.append"
        )


def unbounded(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Deletion without anything that deletes."""
    if topic.deletes and topic.retention_ms < 0 and topic.retention_bytes < 0:
        what = "retention.ms and retention.bytes are both without bound: nothing is ever deleted"
        yield Contradiction(
            "unbounded", Severity.WARNING, what, "set one of them", "UnifiedLog.deleteOldSegments"
        )


def no_cleaner(topic: RetentionTopic, cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The retention task leaves compacted logs to the cleaner."""
    if topic.compacts and not cleaner.enabled:
        what = "log.cleaner.enable is false on the brokers: the topic is neither compacted nor deleted from"
        yield Contradiction(
            "no-cleaner", Severity.WARNING, what, "enable the cleaner", "LogManager.cleanupLogs"
        )


def never_dirty(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """The share has to exceed the ratio, and none exceeds one."""
    if topic.compacts and topic.dirty_ratio >= 1 and topic.max_lag == FOREVER:
        what = "min.cleanable.dirty.ratio 1 is never exceeded, and max.compaction.lag.ms is without bound"
        source = "LogCleanerManager.grabFilthiestCompactedLog"
        yield Contradiction(
            "never-compacted", Severity.WARNING, what, "lower the ratio or set the lag", source
        )


def segment_above_retention(
    topic: RetentionTopic, cleaner: Cleaner, use: Use
) -> Iterator[Contradiction]:
    """Whole segments go, so retention is only as fine as they are."""
    if topic.deletes and 0 <= topic.retention_ms < rolled(topic, use):
        what = f"a segment takes up to {rolled(topic, use)} ms, longer than retention.ms {topic.retention_ms}"
        fix = "lower segment.ms or segment.bytes; records stay for both times together"
        yield Contradiction(
            "segment-above-retention",
            Severity.WARNING,
            what,
            fix,
            "UnifiedLog.deleteRetentionMsBreachedSegments",
        )
    if topic.deletes and 0 <= topic.retention_bytes < topic.segment_bytes:
        what = (
            f"segment.bytes {topic.segment_bytes} is above retention.bytes {topic.retention_bytes}"
        )
        fix = "lower segment.bytes; the log grows to both together"
        yield Contradiction(
            "segment-above-bytes",
            Severity.WARNING,
            what,
            fix,
            "UnifiedLog.deleteRetentionSizeBreachedSegments",
        )
    if topic.deletes and not topic.compacts and 0 <= topic.retention_ms < cleaner.check_interval:
        what = f"log.retention.check.interval.ms {cleaner.check_interval} is above retention.ms {topic.retention_ms}"
        yield Contradiction(
            "check-above-retention",
            Severity.WARNING,
            what,
            "records stay for both times",
            "LogManager.startup",
        )


def deleted_uncompacted(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """What is deleted before it may be compacted never is."""
    if topic.deletes and topic.compacts and 0 <= topic.retention_ms < topic.min_lag:
        what = f"retention.ms {topic.retention_ms} is below min.compaction.lag.ms {topic.min_lag}"
        fix = "records are deleted before they may be compacted: drop `compact` or lower the lag"
        yield Contradiction(
            "deleted-uncompacted", Severity.WARNING, what, fix, "LogCleanerManager.cleanableOffsets"
        )


def blind_deletes(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """A consumer has delete.retention.ms to learn of a deletion."""
    if topic.compacts and topic.delete_retention == 0:
        what = "delete.retention.ms 0: who reads the topic from its start may never see that a key was deleted"
        fix = "as long as the slowest consumer takes to read the whole topic"
        yield Contradiction(
            "blind-deletes", Severity.WARNING, what, fix, "Cleaner.shouldRetainRecord"
        )


def too_many_keys(topic: RetentionTopic, cleaner: Cleaner, use: Use) -> Iterator[Contradiction]:
    """Keys that do not fit into a pass wait for the next."""
    held, keys = keys_per_pass(cleaner), use.keys_per_partition
    if topic.compacts and keys > held:
        what = f"{keys} keys in a partition, of which a pass holds {held}"
        fix = (
            "more partitions, a larger log.cleaner.dedupe.buffer.size or fewer log.cleaner.threads"
        )
        yield Contradiction(
            "too-many-keys", Severity.WARNING, what, fix, "Cleaner.buildOffsetMapForSegment"
        )


def future_timestamps(
    topic: RetentionTopic, _cleaner: Cleaner, _use: Use
) -> Iterator[Contradiction]:
    """Retention goes by the producers' clocks."""
    if (
        topic.deletes
        and topic.retention_ms >= 0
        and not topic.log_append_time
        and topic.timestamp_after_max == FOREVER
    ):
        what = (
            "records carry the producers' time, and one of the future keeps its segment until then"
        )
        fix = "message.timestamp.after.max.ms=3600000, or message.timestamp.type=LogAppendTime"
        yield Contradiction(
            "future-timestamps", Severity.WARNING, what, fix, "LogSegment.largestTimestamp"
        )


def pointless(topic: RetentionTopic, _cleaner: Cleaner, _use: Use) -> Iterator[Contradiction]:
    """Parameters of the policy that the topic does not have."""
    usual = RetentionTopic(topic.name)
    if not topic.deletes and (
        topic.retention_ms != usual.retention_ms or topic.retention_bytes >= 0
    ):
        what = "retention.ms and retention.bytes do nothing without `delete` in cleanup.policy"
        yield Contradiction(
            "retention-unused",
            Severity.POINTLESS,
            what,
            "compact,delete?",
            "UnifiedLog.deleteOldSegments",
        )
    set_ = (topic.min_lag, topic.max_lag, topic.dirty_ratio, topic.delete_retention)
    if not topic.compacts and set_ != (
        usual.min_lag,
        usual.max_lag,
        usual.dirty_ratio,
        usual.delete_retention,
    ):
        what = "the parameters of compaction do nothing without `compact` in cleanup.policy"
        yield Contradiction(
            "compaction-unused", Severity.POINTLESS, what, "compact?", "LogCleanerManager"
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
    """All that contradicts each other, the gravest first."""
    found = [each for rule in RULES for each in rule(topic, cleaner, use)]
    return tuple(sorted(found, key=lambda each: list(Severity).index(each.weight)))
