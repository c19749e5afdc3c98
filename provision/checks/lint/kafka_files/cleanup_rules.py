"""Rules about retention and compaction: parameters of server.properties that contradict."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.kafka_files.registry import Files, first_entry, flag, items, number, rule
from provision.checks.lint.registry import Hit
from provision.formats.properties import Properties

MIB = 1 << 20
HOUR = 3_600_000
MAX_LONG = 9223372036854775807
RETENTION = ("log.retention.ms", "log.retention.minutes", "log.retention.hours")
ROLL = ("log.roll.ms", "log.roll.hours")
_MS = {"ms": 1, "minutes": 60_000, "hours": HOUR}
#: Topic parameters that have another name on a broker.
TOPIC_KEYS = {
    "cleanup.policy": "log.cleanup.policy",
    "retention.ms": "log.retention.ms",
    "retention.bytes": "log.retention.bytes",
    "segment.bytes": "log.segment.bytes",
    "segment.ms": "log.roll.ms",
    "delete.retention.ms": "log.cleaner.delete.retention.ms",
    "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
    "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
    "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
    "file.delete.delay.ms": "log.segment.delete.delay.ms",
    "max.message.bytes": "message.max.bytes",
}
SYNONYMS = "org.apache.kafka.server.config.ServerTopicConfigSynonyms"


def _milliseconds(server: Properties, keys: tuple[str, ...]) -> int:
    """Return the value of the set key with the smallest unit in milliseconds; default one week."""
    for key in keys:
        if server.entry(key):
            return number(server, key, 168) * _MS[key.rsplit(".", 1)[-1]]
    return 168 * HOUR


def _policies(server: Properties) -> list[str]:
    return items(server.get("log.cleanup.policy", "delete"))


@rule(
    "topic-key-on-broker",
    "warning",
    "A topic parameter in server.properties",
    "the broker's parameter has another name, so the broker ignores this one",
    SYNONYMS,
)
def topic_key_on_broker(files: Files) -> Iterator[Hit]:
    """Often `delete.retention.ms` among `log.cleaner.*`."""
    for server in files.servers:
        for topic_key, broker_key in TOPIC_KEYS.items():
            entry = server.entry(topic_key)
            if entry:
                yield entry, f"`{topic_key}` is a topic parameter", f"write `{broker_key}`"


@rule(
    "cleanup-policy",
    "error",
    "A cleanup policy that does not exist",
    "no broker starts",
    "org.apache.kafka.storage.internals.log.LogConfig",
)
def cleanup_policy(files: Files) -> Iterator[Hit]:
    """Valid are delete, compact, or both with a comma."""
    for server in files.servers:
        entry = server.entry("log.cleanup.policy")
        unknown = [policy for policy in _policies(server) if policy not in ("delete", "compact")]
        if entry and unknown:
            kafka_message = (
                f"Invalid value {unknown[0]} for configuration log.cleanup.policy: "
                "String must be one of: compact, delete"
            )
            yield (
                entry,
                f"`{unknown[0]}` is not a policy; Kafka says: {kafka_message}",
                "write `delete`, `compact` or `compact,delete`",
            )


@rule(
    "cleaner-off",
    "error",
    "The log cleaner is off",
    "compacted topics grow for ever, `__consumer_offsets` first of all",
    "kafka.log.LogCleaner; org.apache.kafka.storage.internals.log.CleanerConfig",
)
def cleaner_off(files: Files) -> Iterator[Hit]:
    """`log.cleaner.enable=false`, whatever the cleanup policy of other topics."""
    for server in files.servers:
        entry = server.entry("log.cleaner.enable")
        if entry and not flag(server, "log.cleaner.enable", True):
            message = "`log.cleaner.enable=false` also stops the cleanup of committed offsets"
            yield entry, message, "remove it"


@rule(
    "retention-overruled",
    "warning",
    "Two keys for one time",
    "Kafka uses the key with the smaller unit and ignores the other",
    SYNONYMS,
)
def retention_overruled(files: Files) -> Iterator[Hit]:
    """ms overrides minutes, and minutes override hours."""
    for server in files.servers:
        for keys in (RETENTION, ROLL):
            entries = [entry for key in keys if (entry := server.entry(key))]
            for entry in entries[1:]:
                message = f"`{entries[0].key.text}` overrides `{entry.key.text}`"
                yield entry, message, "keep only one of them"


@rule(
    "retention-size-coarse",
    "warning",
    "Segments as large as the retention size, or larger",
    "Kafka deletes a segment only if at least log.retention.bytes remain: "
    "a replica takes up to one segment more on the disk",
    "kafka.log.UnifiedLog.deleteRetentionSizeBreachedSegments",
)
def retention_size_coarse(files: Files) -> Iterator[Hit]:
    """Compares `log.segment.bytes` (1 GiB by default) with `log.retention.bytes`."""
    for server in files.servers:
        entry = server.entry("log.retention.bytes")
        retention = number(server, "log.retention.bytes", -1)
        segment = number(server, "log.segment.bytes", 1 << 30)
        if entry and 0 < retention <= segment and "delete" in _policies(server):
            message = (
                f"the retention is {retention} bytes and a segment {segment} bytes: "
                f"a partition takes up to {retention + segment} bytes"
            )
            fix = "set `log.segment.bytes` to a tenth of it, or plan disk space for both together"
            yield entry, message, fix


@rule(
    "retention-below-roll",
    "warning",
    "The retention time is below the segment's roll time",
    "Kafka deletes a segment as a whole, once its newest record is old enough: "
    "on a quiet topic the oldest record stays much longer",
    "kafka.log.UnifiedLog.deleteRetentionMsBreachedSegments",
)
def retention_below_roll(files: Files) -> Iterator[Hit]:
    """Compares the retention time with `log.roll.*` (a week by default)."""
    for server in files.servers:
        entry = first_entry(server, *RETENTION)
        retention, roll = _milliseconds(server, RETENTION), _milliseconds(server, ROLL)
        if entry and 0 < retention < roll and "delete" in _policies(server):
            message = (
                f"records may stay {(retention + roll) / HOUR:g} h, not {retention / HOUR:g} h"
            )
            yield entry, message, "set `log.roll.ms` to a fraction of it"


@rule(
    "retention-check-slow",
    "warning",
    "The retention check runs less often than records expire",
    "expired records wait for the next check",
    "kafka.log.LogManager: kafka-log-retention",
)
def retention_check_slow(files: Files) -> Iterator[Hit]:
    """Compares `log.retention.check.interval.ms` (default: five minutes) with the retention."""
    for server in files.servers:
        entry = first_entry(server, "log.retention.check.interval.ms", *RETENTION)
        interval = number(server, "log.retention.check.interval.ms", 300_000)
        retention = _milliseconds(server, RETENTION)
        if entry and 0 < retention < interval:
            message = f"a check every {interval} ms for a retention of {retention} ms"
            yield entry, message, "lower `log.retention.check.interval.ms`"


@rule(
    "compaction-lag",
    "error",
    "The minimum compaction lag is above the maximum",
    "Kafka refuses a topic with both",
    "org.apache.kafka.storage.internals.log.LogConfig.validateValues",
)
def compaction_lag(files: Files) -> Iterator[Hit]:
    """Checks the brokers' defaults for topics."""
    min_key, max_key = "log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"
    for server in files.servers:
        entry = first_entry(server, min_key)
        min_lag, max_lag = number(server, min_key, 0), number(server, max_key, MAX_LONG)
        if entry and min_lag > max_lag:
            kafka_message = (
                f"conflict topic config setting min.compaction.lag.ms ({min_lag}) "
                f"> max.compaction.lag.ms ({max_lag})"
            )
            yield entry, f"Kafka says: {kafka_message}", f"raise `{max_key}`"


@rule(
    "cleaner-buffer",
    "error",
    "Too little memory for the cleaner's threads",
    "no broker starts",
    "kafka.server.KafkaConfig.validateValues",
)
def cleaner_buffer(files: Files) -> Iterator[Hit]:
    """Every thread needs more than 1 MiB. The default for all threads together is 128 MiB."""
    for server in files.servers:
        entry = first_entry(server, "log.cleaner.dedupe.buffer.size", "log.cleaner.threads")
        size = number(server, "log.cleaner.dedupe.buffer.size", 128 * MIB)
        threads = number(server, "log.cleaner.threads", 1)
        if entry and threads > 0 and size // threads <= MIB:
            kafka_message = (
                "requirement failed: log.cleaner.dedupe.buffer.size "
                "must be at least 1MB per cleaner thread."
            )
            message = f"{size} bytes for {threads} threads; Kafka says: {kafka_message}"
            yield entry, message, "give each thread more than 1 MiB"


@rule(
    "segment-too-small",
    "warning",
    "Segments smaller than 4.0 allows",
    "a broker of 4.0 or newer does not start with it",
    "KIP-1030",
)
def segment_too_small(files: Files) -> Iterator[Hit]:
    """`log.segment.bytes` below 1 MiB."""
    for server in files.servers:
        entry = server.entry("log.segment.bytes")
        size = number(server, "log.segment.bytes", 1 << 30)
        if entry and size < MIB:
            yield entry, f"`log.segment.bytes={size}` is below 1 MiB", "use 1048576 or more"


@rule(
    "tiered-and-compacted",
    "warning",
    "Compaction by default together with remote storage",
    "a topic cannot have both: Remote log storage is unsupported for the compacted topics",
    "org.apache.kafka.storage.internals.log.LogConfig.validateNoRemoteStorageForCompactedTopic; "
    "KIP-405",
)
def tiered_and_compacted(files: Files) -> Iterator[Hit]:
    """Every topic with remote storage must then set its cleanup policy, too."""
    for server in files.servers:
        entry = server.entry("log.cleanup.policy")
        remote_storage = flag(server, "remote.log.storage.system.enable", False)
        if entry and "compact" in _policies(server) and remote_storage:
            message = "topics are compacted by default, and remote storage is on"
            yield entry, message, "make `delete` the default"
