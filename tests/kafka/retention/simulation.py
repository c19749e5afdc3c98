"""A log as Kafka keeps it, in small: one partition, appends at a constant rate, segments that are rolled and deleted.

Written from UnifiedLog.deleteOldSegments (time, then size, from the oldest segment on while the rule holds) and
LogSegment.shouldRoll, so that the bounds of the plan can be tried against something that is no formula.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.kafka.retention.model import Cleaner, RetentionTopic


@dataclass
class Segment:
    """Bytes, and the timestamps of its first and its last record."""

    size: int
    first: int
    last: int


@dataclass
class Log:
    """What is on the disk; `removed` are segments whose files are still there, with the time at which they go."""

    topic: RetentionTopic
    segments: list[Segment] = field(default_factory=list)
    removed: list[tuple[int, int]] = field(default_factory=list)

    def append(self, now: int, size: int) -> None:
        """A record of `size` bytes."""
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
        """The round of the retention task, and the files whose delay is over."""
        excess = sum(each.size for each in self.segments) - self.topic.retention_bytes
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
        """All files."""
        return sum(each.size for each in self.segments) + sum(
            size for until, size in self.removed if until > now
        )


def worst(
    topic: RetentionTopic, cleaner: Cleaner, every: int, size: int, total: int
) -> tuple[int, int]:
    """Append `size` bytes every `every` ms for `total` ms: the longest stay of a record, the most bytes there were."""
    log, longest, most = Log(topic), 0, 0
    for now in range(0, total, every):
        log.append(now, size)
        most = max(most, log.bytes(now))
        if now % cleaner.check_interval < every:
            log.clean(now)
        longest = max(longest, now - log.segments[0].first if log.segments else 0)
    return longest, most
