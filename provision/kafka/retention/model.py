"""A topic's parameters, its brokers' cleaner and the use that is made of it, as values. Pure.

Names and defaults are those of TopicConfig, LogConfig, ServerLogConfigs and CleanerConfig at 3.9.1. All times are in
milliseconds, all sizes in bytes; -1 means without bound where Kafka has it so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.core.errors import HactlError

FOREVER = 2**63 - 1
"""Java's Long.MAX_VALUE: Kafka's word for no limit."""
HOUR = 3_600_000
GIB = 1 << 30


@dataclass(frozen=True)
class RetentionTopic:
    """The parameters that decide what is kept. `policies` is `cleanup.policy`."""

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
        """LogConfig.maxSegmentMs: what must be compacted in time is rolled in time."""
        return (
            min(self.segment_ms, self.max_lag)
            if self.compacts and self.max_lag > 0
            else self.segment_ms
        )


@dataclass(frozen=True)
class Cleaner:
    """The brokers' side: `log.retention.check.interval.ms` and `log.cleaner.*`."""

    check_interval: int = 300_000
    enabled: bool = True
    threads: int = 1
    dedupe_buffer: int = 128 << 20
    load_factor: float = 0.9
    backoff: int = 15_000
    version: tuple[int, ...] = (3, 9)


@dataclass(frozen=True)
class Use:
    """What no parameter tells: `replicas` of the topic on each broker, bytes a second into all of it, its keys.

    Writes and keys are taken to be spread evenly over the partitions; None is unknown.
    """

    partitions: int
    replicas: Mapping[int, int] = field(default_factory=dict)
    rate: float | None = None
    keys: int | None = None
    record_bytes: int | None = None

    @property
    def keys_per_partition(self) -> int:
        """Different keys in a partition, 0 where unknown."""
        return math.ceil((self.keys or 0) / self.partitions)


def topic(name: str, settings: Mapping[str, str | None]) -> RetentionTopic:
    """The parameters of a topic from its configuration by Kafka's names; what is missing has Kafka's default.

    Raises:
        HactlError: a value that is none of its kind.
    """
    usual = RetentionTopic(name)
    return RetentionTopic(
        name,
        frozenset(each.strip() for each in (settings.get("cleanup.policy") or "delete").split(",")),
        _int(settings, "retention.ms", usual.retention_ms),
        _int(settings, "retention.bytes", usual.retention_bytes),
        _int(settings, "segment.bytes", usual.segment_bytes),
        _int(settings, "segment.ms", usual.segment_ms),
        _int(settings, "min.compaction.lag.ms", usual.min_lag),
        _int(settings, "max.compaction.lag.ms", usual.max_lag),
        _float(settings, "min.cleanable.dirty.ratio", usual.dirty_ratio),
        _int(settings, "delete.retention.ms", usual.delete_retention),
        _int(settings, "file.delete.delay.ms", usual.file_delete_delay),
        _int(settings, "max.message.bytes", usual.max_message_bytes),
        settings.get("message.timestamp.type") == "LogAppendTime",
        _int(settings, "message.timestamp.after.max.ms", usual.timestamp_after_max),
        settings.get("remote.storage.enable") == "true",
        _int(settings, "local.retention.ms", usual.local_retention_ms),
        _int(settings, "local.retention.bytes", usual.local_retention_bytes),
    )


def cleaner(settings: Mapping[str, str | None], version: tuple[int, ...]) -> Cleaner:
    """The brokers' side from a broker's configuration by Kafka's names.

    Raises:
        HactlError: a value that is none of its kind.
    """
    usual = Cleaner()
    return Cleaner(
        _int(settings, "log.retention.check.interval.ms", usual.check_interval),
        settings.get("log.cleaner.enable") != "false",
        _int(settings, "log.cleaner.threads", usual.threads),
        _int(settings, "log.cleaner.dedupe.buffer.size", usual.dedupe_buffer),
        _float(settings, "log.cleaner.io.buffer.load.factor", usual.load_factor),
        _int(settings, "log.cleaner.backoff.ms", usual.backoff),
        version,
    )


def _int(settings: Mapping[str, str | None], key: str, usual: int) -> int:
    found = settings.get(key)
    try:
        return usual if found is None else int(found)
    except ValueError:
        raise HactlError(f"{key}={found} is no whole number") from None


def _float(settings: Mapping[str, str | None], key: str, usual: float) -> float:
    found = settings.get(key)
    try:
        return usual if found is None else float(found)
    except ValueError:
        raise HactlError(f"{key}={found} is no number") from None
