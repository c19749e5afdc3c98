"""What was written into a partition of the probe, and what was seen there afterwards. Pure.

Times are milliseconds of this machine's monotonic clock. Writes and looks alternate, so that a look never sees the half
of a round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

Kept = tuple[int, bytes | None, bytes | None]
"""Offset, key and value of a record that was read."""


@dataclass(frozen=True)
class LoggedRecord:
    """One that was written: `sent` is before, `acked` after the broker appended it. A tombstone has no value."""

    offset: int
    key: bytes | None
    value: bytes | None
    sent: float
    acked: float


@dataclass(frozen=True)
class Round:
    """Records written in one go, after a pause in which a segment gets too old: the first begins another segment."""

    records: tuple[LoggedRecord, ...]

    @property
    def base(self) -> int:
        """The first offset."""
        return self.records[0].offset

    @property
    def last(self) -> LoggedRecord:
        """The last record."""
        return self.records[-1]

    def whole(self, segment_ms: int) -> bool:
        """Whether it surely is one segment: it took less than what makes the next append roll."""
        return self.last.acked - self.records[0].sent < segment_ms


@dataclass(frozen=True)
class Look:
    """The earliest offset, the end, the records between (of keyed data) and the leader's bytes, read in this order.

    `rounds` is how many had been written.
    """

    began: float
    ended: float
    rounds: int
    start: int
    end: int
    records: tuple[Kept, ...] = ()
    size: int = 0

    @cached_property
    def offsets(self) -> frozenset[int]:
        """Those of the records."""
        return frozenset(offset for offset, *_ in self.records)

    def holds(self, record: LoggedRecord) -> bool:
        """Whether the record could be read."""
        return record.offset in self.offsets

    def expired(self, record: LoggedRecord) -> bool:
        """Whether the record is before the earliest offset: retention removed it."""
        return record.offset < self.start


@dataclass
class ProbeTrace:
    """All of one partition; `keyless` is what the broker said to a record without a key, empty where it took it."""

    rounds: list[Round] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    keyless: str = ""

    def written(self, rounds: int) -> list[LoggedRecord]:
        """The records of the first so many rounds, in the order of writing."""
        return [record for each in self.rounds[:rounds] for record in each.records]
