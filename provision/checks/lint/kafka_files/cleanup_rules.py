"""Rules about retention and compaction: parameters of server.properties that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.lint.kafka_files.registry import Files, flag, items, last, number, rule
from provision.checks.lint.registry import Hit
from provision.formats.properties import Properties

MIB = 1 << 20
HOUR = 3_600_000
MAX_LONG = 9223372036854775807
RETENTION = ("log.retention.ms", "log.retention.minutes", "log.retention.hours")
ROLL = ("log.roll.ms", "log.roll.hours")
_MS = {"ms": 1, "minutes": 60_000, "hours": HOUR}
#: A topic's parameters whose name on a broker is another one.
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


def _time(server: Properties, keys: tuple[str, ...]) -> int:
    """Milliseconds by the most exact key that is set; a week where none is."""
    for key in keys:
        if server.entry(key):
            return number(server, key, 168) * _MS[key.rsplit(".", 1)[-1]]
    return 168 * HOUR


def _policies(server: Properties) -> list[str]:
    return items(server.get("log.cleanup.policy", "delete"))


@rule(
    "topic-key-on-broker",
    "warning",
    "A topic's parameter in server.properties",
    "a broker knows it by another name and ignores this one",
    SYNONYMS,
)
def topic_key_on_broker(files: Files) -> Iterator[Hit]:
    """`delete.retention.ms` among `log.cleaner.*`, most often."""
    for server in files.servers:
        for key, own in TOPIC_KEYS.items():
            entry = server.entry(key)
            if entry:
                yield entry, f"`{key}` is a topic's parameter", f"write `{own}`"


@rule(
    "cleanup-policy",
    "error",
    "A clean-up policy that does not exist",
    "no broker starts",
    "org.apache.kafka.storage.internals.log.LogConfig",
)
def cleanup_policy(files: Files) -> Iterator[Hit]:
    """delete, compact, or both with a comma."""
    for server in files.servers:
        entry = server.entry("log.cleanup.policy")
        bad = [policy for policy in _policies(server) if policy not in ("delete", "compact")]
        if entry and bad:
            said = f"Invalid value {bad[0]} for configuration log.cleanup.policy: String must be one of: compact, delete"
            yield (
                entry,
                f"`{bad[0]}` is no policy; Kafka says: {said}",
                "write `delete`, `compact` or `compact,delete`",
            )


@rule(
    "cleaner-off",
    "error",
    "Nothing compacts",
    "compacted topics grow for ever, `__consumer_offsets` first of all",
    "kafka.log.LogCleaner; org.apache.kafka.storage.internals.log.CleanerConfig",
)
def cleaner_off(files: Files) -> Iterator[Hit]:
    """`log.cleaner.enable=false`, whatever the policy of other topics."""
    for server in files.servers:
        entry = server.entry("log.cleaner.enable")
        if entry and not flag(server, "log.cleaner.enable", True):
            yield (
                entry,
                "`log.cleaner.enable=false` also stops the clean-up of committed offsets",
                "take it out",
            )


@rule(
    "retention-overruled",
    "warning",
    "Two keys for one time",
    "the one in the smaller unit counts, the other is ignored",
    SYNONYMS,
)
def retention_overruled(files: Files) -> Iterator[Hit]:
    """ms before minutes before hours."""
    for server in files.servers:
        for keys in (RETENTION, ROLL):
            found = [entry for key in keys if (entry := server.entry(key))]
            for entry in found[1:]:
                what = f"`{entry.key.text}` is overruled by `{found[0].key.text}`"
                yield entry, what, "keep one of them"


@rule(
    "retention-size-coarse",
    "warning",
    "Segments as large as all that is to be kept, or larger",
    "a segment goes only when what remains is no less than log.retention.bytes: up to one segment more is on the disk "
    "for each replica",
    "kafka.log.UnifiedLog.deleteRetentionSizeBreachedSegments",
)
def retention_size_coarse(files: Files) -> Iterator[Hit]:
    """`log.segment.bytes` (1 GiB by default) against `log.retention.bytes`."""
    for server in files.servers:
        entry = server.entry("log.retention.bytes")
        kept, segment = (
            number(server, "log.retention.bytes", -1),
            number(server, "log.segment.bytes", 1 << 30),
        )
        if entry and 0 < kept <= segment and "delete" in _policies(server):
            what = f"{kept} bytes are to be kept in segments of {segment}: a partition takes up to {kept + segment}"
            yield (
                entry,
                what,
                "make `log.segment.bytes` a tenth of it, or plan the disk for both together",
            )


@rule(
    "retention-below-roll",
    "warning",
    "Records are to go sooner than their segment is closed",
    "a segment goes as a whole, once its newest record is old enough: on a quiet topic the oldest stays much longer",
    "kafka.log.UnifiedLog.deleteRetentionMsBreachedSegments",
)
def retention_below_roll(files: Files) -> Iterator[Hit]:
    """Retention time below `log.roll.*` (a week by default)."""
    for server in files.servers:
        entry = last(server, *RETENTION)
        kept, roll = _time(server, RETENTION), _time(server, ROLL)
        if entry and 0 < kept < roll and "delete" in _policies(server):
            what = f"records may stay {(kept + roll) / HOUR:g} h, not {kept / HOUR:g} h"
            yield entry, what, "set `log.roll.ms` to a fraction of it"


@rule(
    "retention-check-slow",
    "warning",
    "Records are looked at less often than they are to go",
    "what is old enough waits for the next look",
    "kafka.log.LogManager: kafka-log-retention",
)
def retention_check_slow(files: Files) -> Iterator[Hit]:
    """`log.retention.check.interval.ms` (five minutes by default) against the retention time."""
    for server in files.servers:
        entry = last(server, "log.retention.check.interval.ms", *RETENTION)
        every, kept = (
            number(server, "log.retention.check.interval.ms", 300_000),
            _time(server, RETENTION),
        )
        if entry and 0 < kept < every:
            yield (
                entry,
                f"a look every {every} ms for records kept {kept} ms",
                "look more often than that",
            )


@rule(
    "compaction-lag",
    "error",
    "Records must be compacted before they may be",
    "Kafka refuses a topic with both",
    "org.apache.kafka.storage.internals.log.LogConfig.validateValues",
)
def compaction_lag(files: Files) -> Iterator[Hit]:
    """The least lag above the greatest."""
    for server in files.servers:
        least_key, most_key = (
            "log.cleaner.min.compaction.lag.ms",
            "log.cleaner.max.compaction.lag.ms",
        )
        entry, least, most = (
            last(server, least_key),
            number(server, least_key, 0),
            number(server, most_key, MAX_LONG),
        )
        if entry and least > most:
            said = f"conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
            yield entry, f"Kafka says: {said}", f"raise `{most_key}`"


@rule(
    "cleaner-buffer",
    "error",
    "Too little memory for the cleaner's threads",
    "no broker starts",
    "kafka.server.KafkaConfig.validateValues",
)
def cleaner_buffer(files: Files) -> Iterator[Hit]:
    """More than 1 MiB a thread, of 128 MiB by default."""
    for server in files.servers:
        entry = last(server, "log.cleaner.dedupe.buffer.size", "log.cleaner.threads")
        size, threads = (
            number(server, "log.cleaner.dedupe.buffer.size", 128 * MIB),
            number(server, "log.cleaner.threads", 1),
        )
        if entry and threads > 0 and size // threads <= MIB:
            said = "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
            yield (
                entry,
                f"{size} bytes for {threads} threads; Kafka says: {said}",
                "give each thread more than 1 MiB",
            )


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
        entry, size = (
            server.entry("log.segment.bytes"),
            number(server, "log.segment.bytes", 1 << 30),
        )
        if entry and size < MIB:
            yield entry, f"`log.segment.bytes={size}` is below 1 MiB", "use 1048576 or more"


@rule(
    "tiered-and-compacted",
    "warning",
    "Compaction by default where there is remote storage",
    "a topic cannot have both: Remote log storage is unsupported for the compacted topics",
    "org.apache.kafka.storage.internals.log.LogConfig.validateNoRemoteStorageForCompactedTopic; KIP-405",
)
def tiered_and_compacted(files: Files) -> Iterator[Hit]:
    """Every topic that turns remote storage on must then name its policy, too."""
    for server in files.servers:
        entry = server.entry("log.cleanup.policy")
        if (
            entry
            and "compact" in _policies(server)
            and flag(server, "remote.log.storage.system.enable", False)
        ):
            yield (
                entry,
                "topics are compacted by default, and remote storage is on",
                "make `delete` the default",
            )
