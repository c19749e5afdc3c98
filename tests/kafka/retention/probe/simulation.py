"""A small simulation of a partition of a probe, with a simulated clock.

It follows LogSegment.shouldRoll, UnifiedLog.deleteOldSegments,
LogCleanerManager.grabFilthiestCompactedLog, Cleaner.doClean, groupSegmentsBySize and
shouldRetainRecord.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic
from provision.kafka.retention.probe.design import Design, Part
from provision.kafka.retention.probe.trace import LoggedRecord, Look, ProbeTrace, Round
from provision.kafka.retention.probe.workload import KeyValue, round_values

STEP = 100
"""Milliseconds of a step."""


@dataclass
class Entry:
    """A record in the log; its tombstone may be removed after `horizon`, 0 before a first pass."""

    offset: int
    key: bytes | None
    value: bytes | None
    at: int
    horizon: int = 0

    @property
    def size(self) -> int:
        """The approximate number of bytes."""
        return 80 + len(self.value or b"")


def size_of(entries: list[Entry]) -> int:
    """The bytes of some entries."""
    return sum(entry.size for entry in entries)


@dataclass
class Log:
    """A log of segments, the last of them active; `dirty` is the first offset after the last pass.

    Without `closed_only` its cleaner also closes and compacts the active segment, unlike Kafka's.
    """

    topic: RetentionTopic
    segments: list[list[Entry]] = field(default_factory=lambda: [[]])
    bases: list[int] = field(default_factory=lambda: [0])
    end: int = 0
    dirty: int = 0
    closed_only: bool = True

    def append(self, now: int, values: list[KeyValue]) -> None:
        """Append records; the first starts a new segment if the active segment is too old."""
        active = self.segments[-1]
        if active and now - active[0].at > self.topic.max_segment_ms:
            self._roll()
        for key, value in values:
            self.segments[-1].append(Entry(self.end, key, value, now))
            self.end += 1

    def _roll(self) -> None:
        self.segments.append([])
        self.bases.append(self.end)

    def retain(self, now: int) -> None:
        """Run a round of kafka-log-retention, or of a cleaner thread for compacted logs."""
        topic = self.topic
        sizes = [size_of(segment) for segment in self.segments]
        while self.segments[0] and 0 <= topic.retention_bytes <= sum(sizes) - sizes[0]:
            self._drop(sizes)
        while self.segments[0] and 0 <= topic.retention_ms < now - self.segments[0][-1].at:
            self._drop(sizes)

    def _drop(self, sizes: list[int]) -> None:
        sizes.pop(0)
        self.segments.pop(0)
        self.bases.pop(0)
        if not self.segments:
            self.segments, self.bases = [[]], [self.end]
            sizes.append(0)

    def clean(self, now: int) -> None:
        """Run a pass of the cleaner if it is due."""
        if self.segments[-1] and not self.closed_only:
            self._roll()
        closed, count = self.segments[:-1], 0
        while count < len(closed) and (
            not closed[count] or closed[count][-1].at <= now - self.topic.min_lag
        ):
            count += 1
        cleanable = [entry for segment in closed[:count] for entry in segment]
        fresh = [entry for entry in cleanable if entry.offset >= self.dirty]
        old = self.topic.max_lag < FOREVER and fresh and now - fresh[0].at > self.topic.max_lag
        if not fresh or not (old or size_of(fresh) / size_of(cleanable) > self.topic.dirty_ratio):
            return
        last = {entry.key: entry.offset for entry in fresh}
        kept = [
            [entry for entry in segment if self._stays(entry, last, now)]
            for segment in closed[:count]
        ]
        self._merge(kept, count)
        self.dirty = fresh[-1].offset + 1

    def _stays(self, entry: Entry, last: dict[bytes | None, int], now: int) -> bool:
        if last.get(entry.key, -1) > entry.offset:
            return False
        if entry.value is None and entry.horizon:
            return now <= entry.horizon
        if entry.value is None:
            entry.horizon = now + self.topic.delete_retention
        return True

    def _merge(self, kept: list[list[Entry]], count: int) -> None:
        """Merge segments up to segment.bytes; the base is that of the first segment."""
        groups: list[tuple[int, list[Entry]]] = []
        for base, segment in zip(self.bases, kept, strict=False):
            if groups and size_of(groups[-1][1]) + size_of(segment) <= self.topic.segment_bytes:
                groups[-1][1].extend(segment)
            else:
                groups.append((base, segment))
        self.segments[:count] = [segment for _, segment in groups]
        self.bases[:count] = [base for base, _ in groups]

    def look(self, now: int, rounds: int) -> Look:
        """The look of a client at the log."""
        entries = [entry for segment in self.segments for entry in segment]
        records = tuple((entry.offset, entry.key, entry.value) for entry in entries)
        return Look(now, now, rounds, self.bases[0], self.end, records, size_of(entries))


def watched(
    design: Design,
    part: Part,
    real: RetentionTopic | None = None,
    cleaner: Cleaner | None = None,
    log: Log | None = None,
) -> ProbeTrace:
    """The trace of a probe; `real` and `cleaner` replace the planned parameters on the brokers."""
    topic, cleaner = real or design.topic, cleaner or design.cleaner
    log, trace = log or Log(topic), ProbeTrace(keyless="INVALID_RECORD")
    number, due = 0, 0
    for now in range(0, design.longest + STEP, STEP):
        if now >= due:
            if values := round_values(design, part, number):
                base = log.end
                log.append(now, values)
                records = [
                    LoggedRecord(base + index, key, value, now, now)
                    for index, (key, value) in enumerate(values)
                ]
                trace.rounds.append(Round(tuple(records)))
            number, due = number + 1, now + design.interval
        if topic.compacts and cleaner.enabled and now % cleaner.backoff < STEP:
            log.clean(now)
        interval = cleaner.backoff if topic.compacts else cleaner.check_interval
        if topic.deletes and now % interval < STEP:
            log.retain(now)
        if now % 1000 == 0:
            trace.looks.append(log.look(now, len(trace.rounds)))
    return trace
