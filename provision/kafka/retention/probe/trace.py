"""The records written into a partition of the probe, and the looks at the partition. Pure.

Times are milliseconds of this machine's monotonic clock. Writes and looks alternate, so that a look
never sees an incomplete round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

ReadRecord = tuple[int, bytes | None, bytes | None]
"""Offset, key and value of a record that was read."""


@dataclass(frozen=True)
class LoggedRecord:
    """A written record; the broker appended it between `sent` and `acked`.

    A tombstone has no value.
    """

    offset: int
    key: bytes | None
    value: bytes | None
    sent: float
    acked: float


@dataclass(frozen=True)
class Round:
    """Records written together after a pause; the first record starts a new segment.

    During the pause the segment before becomes too old.
    """

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
        """Whether the round is a single segment for certain: it took less time than segment.ms."""
        return self.last.acked - self.records[0].sent < segment_ms


@dataclass(frozen=True)
class Look:
    """An observation of a partition.

    Its values were read in this order: the earliest offset, the end offset, the records in between
    (only of keyed data), and the bytes on the leader. `rounds` is the number of rounds so far.
    """

    began: float
    ended: float
    rounds: int
    start: int
    end: int
    records: tuple[ReadRecord, ...] = ()
    size: int = 0

    @cached_property
    def offsets(self) -> frozenset[int]:
        """The offsets of the records."""
        return frozenset(offset for offset, *_ in self.records)

    def holds(self, record: LoggedRecord) -> bool:
        """Whether the record could be read."""
        return record.offset in self.offsets

    def expired(self, record: LoggedRecord) -> bool:
        """Whether the record is before the earliest offset: retention removed it."""
        return record.offset < self.start


@dataclass
class ProbeTrace:
    """The rounds and looks of a partition.

    `keyless` is the broker's error for a record without a key, empty where it accepted the record.
    """

    rounds: list[Round] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    keyless: str = ""

    def written(self, rounds: int) -> list[LoggedRecord]:
        """The records of the first `rounds` rounds, in the order of writing."""
        return [record for item in self.rounds[:rounds] for record in item.records]
