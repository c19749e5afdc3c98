"""The checks on keyed data: the records that compaction must keep and must remove. Pure.

The checks follow from Kafka's guarantees for compacted topics (docs, "Log Compaction") and from the
plan's deadlines for the probe's parameters. Records that retention removed do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from provision.kafka.retention.deadlines import superseded, tombstone_gone
from provision.kafka.retention.probe.design import Design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.trace import LoggedRecord, Look, ProbeTrace, ReadRecord

Check = Callable[[Design, ProbeTrace], ProbeOutcome | None]


def last_values(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Each look finds the last value of every key that was not deleted."""
    missing: list[str] = []
    count = 0
    for look in trace.looks:
        last = {record.key: record for record in trace.written(look.rounds)}
        expected = [
            record
            for record in last.values()
            if record.value is not None and not look.expired(record)
        ]
        missing += [
            f"{_name(record)} at offset {record.offset}"
            for record in expected
            if not look.holds(record)
        ]
        count = max(count, len(expected))
    return ProbeOutcome(
        "last values stay",
        f"of {count} keys, in {len(trace.looks)} looks",
        _summary(missing, "is gone", "all"),
        not missing and count > 0,
    )


def offsets(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Each record that can be read has its original offset, key and value."""
    written = {
        record.offset: (record.offset, record.key, record.value)
        for record in trace.written(len(trace.rounds))
    }
    wrong = [f"offset {read[0]}" for read in _reads(trace) if written.get(read[0]) != read]
    return ProbeOutcome(
        "offsets stay",
        "as written, with gaps",
        _summary(wrong, "holds another", "as written"),
        not wrong,
    )


def order(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Records are read in the order in which they were written."""
    number = {
        (record.key, record.value): index
        for index, record in enumerate(trace.written(len(trace.rounds)))
    }
    wrong = []
    for look in trace.looks:
        numbers = [number[read[1:]] for read in look.records if read[1:] in number]
        wrong += [f"record {late}" for early, late in pairwise(numbers) if late < early]
    return ProbeOutcome(
        "order stays", "as written", _summary(wrong, "comes too late", "as written"), not wrong
    )


def older_values(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Superseded values are removed by the deadline, but not before min.compaction.lag.ms.

    None where retention removed all of them first.
    """
    bound = superseded(design.topic, design.cleaner, design.use)
    assert bound is not None, "a design without a deadline is refused"
    pairs = [
        (old, new)
        for old, new in _superseded(trace.written(len(trace.rounds)))
        if not _expired(trace, old)
    ]
    ages = [(old, *_ages(trace, old, new)) for old, new in pairs]
    earliest_removal = design.topic.min_lag
    wrong = _age_problems(ages, earliest_removal, bound + design.slack)
    removed = [age for _, _, age in ages if age is not None]
    if not pairs:
        return None
    expected = f"within {seconds(bound)}"
    if earliest_removal:
        expected = f"after {seconds(earliest_removal)} to {seconds(bound)}"
    observed = f"none of {len(pairs)} is gone"
    if removed:
        observed = f"{len(removed)} gone, in {seconds(max(removed))}"
    return ProbeOutcome(
        "older values go", expected, _summary(wrong, "", observed), not wrong and bool(removed)
    )


def tombstones(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Tombstones stay for delete.retention.ms after a first pass, and are removed by the deadline.

    The first pass comes after min.compaction.lag.ms at the earliest. An older value must not come
    back without its tombstone. None where retention removed all tombstones first.
    """
    bound = tombstone_gone(design.topic, design.cleaner, design.use)
    assert bound is not None, "a design without a deadline is refused"
    earliest_removal = design.topic.min_lag + design.topic.delete_retention
    written = trace.written(len(trace.rounds))
    marks = [record for record in written if record.value is None and not _expired(trace, record)]
    ages = [(mark, *_ages(trace, mark, mark)) for mark in marks]
    wrong = [text for mark in marks for text in _reappeared(trace.looks, written, mark)]
    wrong += _age_problems(ages, earliest_removal, bound + design.slack)
    removed = [age for _, _, age in ages if age is not None]
    if not marks:
        return None
    observed = "still there"
    if removed:
        times = dict.fromkeys([seconds(min(removed)), seconds(max(removed))])
        observed = f"after {' to '.join(times)}"
    return ProbeOutcome(
        "tombstones go",
        f"after {seconds(earliest_removal)} to {seconds(bound)}",
        _summary(wrong, "", observed),
        not wrong and len(removed) == len(marks),
    )


def active_segment(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The active segment keeps all records, superseded values included; it has the last round."""
    missing, count = [], 0
    for look in trace.looks:
        last = trace.rounds[look.rounds - 1]
        records = last.records if last.whole(design.topic.max_segment_ms) else (last.last,)
        expected = [record for record in records if not look.expired(record)]
        missing += [f"offset {record.offset}" for record in expected if not look.holds(record)]
        count = max(count, len(expected))
    return ProbeOutcome(
        "active segment stays",
        f"{count} records of each round",
        _summary(missing, "is gone", "all"),
        not missing and count > 0,
    )


def without_key(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """A record without a key is refused (LogValidator, INVALID_RECORD)."""
    return ProbeOutcome(
        "keyless is refused",
        "INVALID_RECORD",
        trace.keyless or "accepted",
        "INVALID_RECORD" in trace.keyless,
    )


def earliest(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Compaction alone does not move the earliest offset; None where retention may move it."""
    if design.topic.deletes:
        return None
    moved = [f"offset {look.start}" for look in trace.looks if look.start]
    return ProbeOutcome("earliest offset stays", "0", _summary(moved, "", "0"), not moved)


CHECKS: tuple[Check, ...] = (
    last_values,
    offsets,
    order,
    older_values,
    tombstones,
    active_segment,
    without_key,
    earliest,
)


def seen_all(trace: ProbeTrace) -> bool:
    """Whether all records of the first two rounds that must be removed are gone."""
    if len(trace.rounds) < 3 or not trace.looks:
        return False
    early = trace.written(2)
    removable = [old for old, _ in _superseded(early)]
    removable += [record for record in early if record.value is None]
    return not any(trace.looks[-1].holds(record) for record in removable)


def _superseded(written: Iterable[LoggedRecord]) -> Iterator[tuple[LoggedRecord, LoggedRecord]]:
    """Each record that has a newer record with the same key, with the newer record."""
    last: dict[bytes | None, LoggedRecord] = {}
    for record in written:
        if record.key in last:
            yield last[record.key], record
        last[record.key] = record


def _expired(trace: ProbeTrace, record: LoggedRecord) -> bool:
    """Whether retention removed the record in the end, so that it proves nothing of compaction."""
    return trace.looks[-1].expired(record)


def _ages(
    trace: ProbeTrace, record: LoggedRecord, since: LoggedRecord
) -> tuple[float, float | None]:
    """The record's age when it was last read, and its age when it was first missing.

    Ages count from the write of `since`. The second age is None where the record was never missing.
    """
    last_read = max((look.began for look in trace.looks if look.holds(record)), default=0.0)
    missing = next(
        (
            look.ended
            for look in trace.looks
            if look.began >= since.acked and not look.holds(record)
        ),
        None,
    )
    return last_read - since.acked, None if missing is None else missing - since.sent


def _age_problems(
    ages: list[tuple[LoggedRecord, float, float | None]], earliest: int, latest: int
) -> list[str]:
    """Messages about records that were removed before `earliest`, or were read after `latest`."""
    early = [
        f"{_name(record)} gone after {seconds(removed)}"
        for record, _, removed in ages
        if removed is not None and removed < earliest
    ]
    late = [
        f"{_name(record)} there after {seconds(read)}" for record, read, _ in ages if read > latest
    ]
    return early + late


def _reappeared(
    looks: list[Look], written: list[LoggedRecord], tombstone: LoggedRecord
) -> list[str]:
    """Messages about older values of the tombstone's key that can be read without the tombstone."""
    older = [
        record
        for record in written
        if record.key == tombstone.key and record.offset < tombstone.offset
    ]
    without = [
        look for look in looks if look.began >= tombstone.acked and not look.holds(tombstone)
    ]
    return [f"{_name(old)} is back" for look in without for old in older if look.holds(old)]


def _reads(trace: ProbeTrace) -> Iterator[ReadRecord]:
    return (read for look in trace.looks for read in look.records)


def _name(record: LoggedRecord) -> str:
    return (record.key or b"?").decode()


def _summary(problems: list[str], suffix: str, success: str) -> str:
    """The first problem and the number of the others; `success` without problems."""
    if not problems:
        return success
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"{problems[0]} {suffix}".strip() + more
