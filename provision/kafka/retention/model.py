"""A topic's parameters, its brokers' cleaner and its use, as values. Pure.

Names and defaults are those of TopicConfig, LogConfig, ServerLogConfigs and CleanerConfig at 3.9.1.
All times are in milliseconds, all sizes in bytes. -1 means no bound where Kafka uses it so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.core.errors import HactlError

FOREVER = 2**63 - 1
"""Java's Long.MAX_VALUE, which Kafka uses for no limit."""
HOUR = 3_600_000
GIB = 1 << 30


@dataclass(frozen=True)
class RetentionTopic:
    """The parameters of a topic that decide how long records are kept.

    `policies` is `cleanup.policy`.
    """

    name: str
    policies: frozenset[str] = frozenset({"delete"})
    retention_ms: int = 168 * HOUR
    retention_bytes: int = -1
    segment_bytes: int = GIB
    segment_ms: int = 168 * HOUR
    min_lag: int = 0
    max_lag: int = FOREVER
    dirty_ratio: float = 0.5
    delete_retention: int = 24 * HOUR
    file_delete_delay: int = 60_000
    max_message_bytes: int = 1_048_588
    log_append_time: bool = False
    timestamp_after_max: int = FOREVER
    remote_storage: bool = False
    local_retention_ms: int = -2
    local_retention_bytes: int = -2

    @property
    def deletes(self) -> bool:
        """LogConfig.delete."""
        return "delete" in self.policies

    @property
    def compacts(self) -> bool:
        """LogConfig.compact."""
        return "compact" in self.policies

    @property
    def max_segment_ms(self) -> int:
        """LogConfig.maxSegmentMs: a segment must be rolled in time for its compaction."""
        return (
            min(self.segment_ms, self.max_lag)
            if self.compacts and self.max_lag > 0
            else self.segment_ms
        )


@dataclass(frozen=True)
class Cleaner:
    """The brokers' parameters: `log.retention.check.interval.ms` and `log.cleaner.*`."""

    check_interval: int = 300_000
    enabled: bool = True
    threads: int = 1
    dedupe_buffer: int = 128 << 20
    load_factor: float = 0.9
    backoff: int = 15_000
    version: tuple[int, ...] = (3, 9)


@dataclass(frozen=True)
class Use:
    """The use of a topic, which no parameter contains.

    `replicas` has the number of its replicas on each broker, `rate` the bytes per second written
    into the topic, and `keys` the number of different keys. Writes and keys are assumed to be
    spread evenly over the partitions. None is unknown.
    """

    partitions: int
    replicas: Mapping[int, int] = field(default_factory=dict)
    rate: float | None = None
    keys: int | None = None
    record_bytes: int | None = None

    @property
    def keys_per_partition(self) -> int:
        """Number of different keys in a partition, 0 where unknown."""
        return math.ceil((self.keys or 0) / self.partitions)


def topic(name: str, settings: Mapping[str, str | None]) -> RetentionTopic:
    """The parameters of a topic from its configuration; a missing setting has Kafka's default.

    Raises:
        HactlError: the value of a parameter has the wrong type.
    """
    default = RetentionTopic(name)
    policies = (settings.get("cleanup.policy") or "delete").split(",")
    return RetentionTopic(
        name,
        frozenset(policy.strip() for policy in policies),
        _int(settings, "retention.ms", default.retention_ms),
        _int(settings, "retention.bytes", default.retention_bytes),
        _int(settings, "segment.bytes", default.segment_bytes),
        _int(settings, "segment.ms", default.segment_ms),
        _int(settings, "min.compaction.lag.ms", default.min_lag),
        _int(settings, "max.compaction.lag.ms", default.max_lag),
        _float(settings, "min.cleanable.dirty.ratio", default.dirty_ratio),
        _int(settings, "delete.retention.ms", default.delete_retention),
        _int(settings, "file.delete.delay.ms", default.file_delete_delay),
        _int(settings, "max.message.bytes", default.max_message_bytes),
        settings.get("message.timestamp.type") == "LogAppendTime",
        _int(settings, "message.timestamp.after.max.ms", default.timestamp_after_max),
        settings.get("remote.storage.enable") == "true",
        _int(settings, "local.retention.ms", default.local_retention_ms),
        _int(settings, "local.retention.bytes", default.local_retention_bytes),
    )


def cleaner(settings: Mapping[str, str | None], version: tuple[int, ...]) -> Cleaner:
    """The brokers' parameters from a broker's configuration.

    Raises:
        HactlError: the value of a parameter has the wrong type.
    """
    default = Cleaner()
    return Cleaner(
        _int(settings, "log.retention.check.interval.ms", default.check_interval),
        settings.get("log.cleaner.enable") != "false",
        _int(settings, "log.cleaner.threads", default.threads),
        _int(settings, "log.cleaner.dedupe.buffer.size", default.dedupe_buffer),
        _float(settings, "log.cleaner.io.buffer.load.factor", default.load_factor),
        _int(settings, "log.cleaner.backoff.ms", default.backoff),
        version,
    )


def _int(settings: Mapping[str, str | None], key: str, default: int) -> int:
    value = settings.get(key)
    try:
        return default if value is None else int(value)
    except ValueError:
        raise HactlError(f"{key}={value} is no whole number") from None


def _float(settings: Mapping[str, str | None], key: str, default: float) -> float:
    value = settings.get(key)
    try:
        return default if value is None else float(value)
    except ValueError:
        raise HactlError(f"{key}={value} is no number") from None
