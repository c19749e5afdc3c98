"""A small simulation of Kafka's log: a partition with a constant rate, whose segments are deleted.

It follows UnifiedLog.deleteOldSegments (time, then size, from the oldest segment on while the rule
holds) and LogSegment.shouldRoll. The bounds of the plan are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.kafka.retention.model import Cleaner, RetentionTopic


@dataclass
class Segment:
    """A segment: its bytes, and the timestamps of its first and last record."""

    size: int
    first: int
    last: int


@dataclass
class Log:
    """A log on the disk; `removed` are the times and sizes of segments whose files still exist."""

    topic: RetentionTopic
    segments: list[Segment] = field(default_factory=list)
    removed: list[tuple[int, int]] = field(default_factory=list)

    def append(self, now: int, size: int) -> None:
        """Append a record of `size` bytes."""
        last = self.segments[-1] if self.segments else None
        if (
            last is None
            or last.size + size > self.topic.segment_bytes
            or now - last.first > self.topic.max_segment_ms
        ):
            self.segments.append(Segment(0, now, now))
        self.segments[-1].size += size
        self.segments[-1].last = now

    def clean(self, now: int) -> None:
        """Run a round of the retention task."""
        excess = sum(segment.size for segment in self.segments) - self.topic.retention_bytes
        while (
            self.segments
            and self.topic.retention_bytes >= 0
            and excess - self.segments[0].size >= 0
        ):
            excess -= self.segments[0].size
            self._remove(now)
        while (
            self.segments
            and self.topic.retention_ms >= 0
            and now - self.segments[0].last > self.topic.retention_ms
        ):
            self._remove(now)

    def _remove(self, now: int) -> None:
        self.removed.append((now + self.topic.file_delete_delay, self.segments.pop(0).size))

    def bytes(self, now: int) -> int:
        """The bytes of all files."""
        return sum(segment.size for segment in self.segments) + sum(
            size for until, size in self.removed if until > now
        )


def worst(
    topic: RetentionTopic, cleaner: Cleaner, interval: int, size: int, total: int
) -> tuple[int, int]:
    """The longest stay of a record and the most bytes of the log.

    A record of `size` bytes is appended every `interval` ms for `total` ms.
    """
    log, longest, most = Log(topic), 0, 0
    for now in range(0, total, interval):
        log.append(now, size)
        most = max(most, log.bytes(now))
        if now % cleaner.check_interval < interval:
            log.clean(now)
        longest = max(longest, now - log.segments[0].first if log.segments else 0)
    return longest, most
