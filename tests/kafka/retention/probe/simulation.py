"""A partition as Kafka keeps it, in small, with a clock of its own: what a probe would see without a broker.

Written from LogSegment.shouldRoll, UnifiedLog.deleteOldSegments, LogCleanerManager.grabFilthiestCompactedLog,
Cleaner.doClean, groupSegmentsBySize and shouldRetainRecord.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.kafka.retention.model import FOREVER, Cleaner, RetentionTopic
from provision.kafka.retention.probe.design import Design, Part
from provision.kafka.retention.probe.trace import LoggedRecord, Look, ProbeTrace, Round
from provision.kafka.retention.probe.workload import Word, round_values

STEP = 100
"""Milliseconds of a step."""


@dataclass
class Entry:
    """A record in the log; `horizon` is when its tombstone may go, 0 before a first pass."""

    offset: int
    key: bytes | None
    value: bytes | None
    at: int
    horizon: int = 0

    @property
    def size(self) -> int:
        """Bytes, about."""
        return 80 + len(self.value or b"")


@dataclass
class Log:
    """Segments, the last of them active; `dirty` is the first offset that no pass has seen.

    Without `closed_only` its cleaner closes the active segment and takes it as well, which Kafka's does not.
    """

    topic: RetentionTopic
    segments: list[list[Entry]] = field(default_factory=lambda: [[]])
    bases: list[int] = field(default_factory=lambda: [0])
    end: int = 0
    dirty: int = 0
    closed_only: bool = True

    def append(self, now: int, found: list[Word]) -> None:
        """Records in one go; the first begins another segment where the active one is too old."""
        active = self.segments[-1]
        if active and now - active[0].at > self.topic.max_segment_ms:
            self.segments.append([])
            self.bases.append(self.end)
        for key, value in found:
            self.segments[-1].append(Entry(self.end, key, value, now))
            self.end += 1

    def retain(self, now: int) -> None:
        """What kafka-log-retention does, or a cleaner thread for logs that are compacted as well."""
        topic = self.topic
        sizes = [sum(each.size for each in segment) for segment in self.segments]
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
        """A pass, where one is due."""
        if self.segments[-1] and not self.closed_only:
            self.segments.append([])
            self.bases.append(self.end)
        closed, count = self.segments[:-1], 0
        while count < len(closed) and (
            not closed[count] or closed[count][-1].at <= now - self.topic.min_lag
        ):
            count += 1
        cleanable = [each for segment in closed[:count] for each in segment]
        fresh = [each for each in cleanable if each.offset >= self.dirty]
        total = sum(each.size for each in cleanable)
        old = self.topic.max_lag < FOREVER and fresh and now - fresh[0].at > self.topic.max_lag
        if not fresh or not (
            old or sum(each.size for each in fresh) / total > self.topic.dirty_ratio
        ):
            return
        last = {each.key: each.offset for each in fresh}
        kept = [
            [each for each in segment if self._stays(each, last, now)] for segment in closed[:count]
        ]
        self._swap(kept, count)
        self.dirty = fresh[-1].offset + 1

    def _stays(self, each: Entry, last: dict[bytes | None, int], now: int) -> bool:
        if last.get(each.key, -1) > each.offset:
            return False
        if each.value is None and each.horizon:
            return now <= each.horizon
        if each.value is None:
            each.horizon = now + self.topic.delete_retention
        return True

    def _swap(self, kept: list[list[Entry]], count: int) -> None:
        """Put what is left of the segments together, up to segment.bytes; the base is that of the first."""
        groups: list[tuple[int, list[Entry]]] = []
        for base, segment in zip(self.bases, kept, strict=False):
            size = sum(each.size for each in segment)
            if (
                groups
                and sum(each.size for each in groups[-1][1]) + size <= self.topic.segment_bytes
            ):
                groups[-1][1].extend(segment)
            else:
                groups.append((base, segment))
        self.segments[:count] = [segment for _, segment in groups]
        self.bases[:count] = [base for base, _ in groups]

    def look(self, now: int, rounds: int) -> Look:
        """What a client would see."""
        entries = [each for segment in self.segments for each in segment]
        read = tuple((each.offset, each.key, each.value) for each in entries)
        return Look(
            now, now, rounds, self.bases[0], self.end, read, sum(each.size for each in entries)
        )


def watched(
    design: Design,
    part: Part,
    real: RetentionTopic | None = None,
    side: Cleaner | None = None,
    log: Log | None = None,
) -> ProbeTrace:
    """The trace of a probe; `real` and `side` are what the brokers do, where it is not what is planned."""
    topic, side = real or design.topic, side or design.cleaner
    log, trace = log or Log(topic), ProbeTrace(keyless="INVALID_RECORD")
    number, due = 0, 0
    for now in range(0, design.longest + STEP, STEP):
        if now >= due:
            if found := round_values(design, part, number):
                base = log.end
                log.append(now, found)
                sent = [LoggedRecord(base + at, *word, now, now) for at, word in enumerate(found)]
                trace.rounds.append(Round(tuple(sent)))
            number, due = number + 1, now + design.every
        if topic.compacts and side.enabled and now % side.backoff < STEP:
            log.clean(now)
        every = side.backoff if topic.compacts else side.check_interval
        if topic.deletes and now % every < STEP:
            log.retain(now)
        if now % 1000 == 0:
            trace.looks.append(log.look(now, len(trace.rounds)))
    return trace
