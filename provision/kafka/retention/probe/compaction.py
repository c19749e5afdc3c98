"""The checks on keyed data: what compaction must leave, and by when it must take the rest. Pure.

They are made of the promises that Kafka gives for compacted topics (docs, "Log Compaction", what guarantees it
provides), and of the deadlines of the plan for the probe's parameters. What retention has removed counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from provision.kafka.retention.deadlines import superseded, tombstone_gone
from provision.kafka.retention.probe.design import Design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.trace import Kept, LoggedRecord, Look, ProbeTrace

Check = Callable[[Design, ProbeTrace], ProbeOutcome | None]


def last_values(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The last value of every key that was not deleted is there at each look."""
    missing: list[str] = []
    count = 0
    for look in trace.looks:
        last = {record.key: record for record in trace.written(look.rounds)}
        kept = [
            record
            for record in last.values()
            if record.value is not None and not look.expired(record)
        ]
        missing += [
            f"{_name(each)} at offset {each.offset}" for each in kept if not look.holds(each)
        ]
        count = max(count, len(kept))
    expected = f"of {count} keys, in {len(trace.looks)} looks"
    return ProbeOutcome(
        "last values stay", expected, _first(missing, "is gone", "all"), not missing and count > 0
    )


def offsets(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """What can be read has the offset, the key and the value with which it was written."""
    written = {
        each.offset: (each.offset, each.key, each.value)
        for each in trace.written(len(trace.rounds))
    }
    wrong = [f"offset {kept[0]}" for kept in _reads(trace) if written.get(kept[0]) != kept]
    return ProbeOutcome(
        "offsets stay",
        "as written, with gaps",
        _first(wrong, "holds another", "as written"),
        not wrong,
    )


def order(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Records are read in the order in which they were written."""
    number = {
        (each.key, each.value): count for count, each in enumerate(trace.written(len(trace.rounds)))
    }
    wrong = []
    for look in trace.looks:
        read = [number[kept[1:]] for kept in look.records if kept[1:] in number]
        wrong += [f"record {late}" for early, late in pairwise(read) if late < early]
    return ProbeOutcome(
        "order stays", "as written", _first(wrong, "comes too late", "as written"), not wrong
    )


def older_values(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Values with a newer one are gone by the plan's deadline, and none is before min.compaction.lag.ms.

    None where retention was quicker.
    """
    bound = superseded(design.topic, design.cleaner, design.use)
    assert bound is not None, "a design without a deadline is refused"
    pairs = [
        (old, new)
        for old, new in _superseded(trace.written(len(trace.rounds)))
        if not _taken(trace, old)
    ]
    ages = [(old, *_ages(trace, old, new)) for old, new in pairs]
    least = design.topic.min_lag
    wrong = [
        f"{_name(old)} went after {seconds(went)}"
        for old, _, went in ages
        if went is not None and went < least
    ]
    wrong += [
        f"{_name(old)} there after {seconds(there)}"
        for old, there, _ in ages
        if there > bound + design.slack
    ]
    gone = [went for _, _, went in ages if went is not None]
    if not pairs:
        return None
    expected = (
        f"after {seconds(least)} to {seconds(bound)}" if least else f"within {seconds(bound)}"
    )
    seen = f"{len(gone)} went, in {seconds(max(gone))}" if gone else f"none of {len(pairs)} is gone"
    return ProbeOutcome(
        "older values go", expected, _first(wrong, "", seen), not wrong and bool(gone)
    )


def tombstones(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Tombstones can be read for delete.retention.ms after a first pass, and are gone by the plan's deadline.

    The first pass comes after min.compaction.lag.ms at the earliest; a value must not come back without its tombstone.
    None where retention was quicker.
    """
    bound = tombstone_gone(design.topic, design.cleaner, design.use)
    assert bound is not None, "a design without a deadline is refused"
    least = design.topic.min_lag + design.topic.delete_retention
    written = trace.written(len(trace.rounds))
    marks = [each for each in written if each.value is None and not _taken(trace, each)]
    ages = [(each, *_ages(trace, each, each)) for each in marks]
    wrong = [text for each in marks for text in _back(trace.looks, written, each)]
    wrong += [
        f"{_name(each)} went after {seconds(went)}"
        for each, _, went in ages
        if went is not None and went < least
    ]
    wrong += [
        f"{_name(each)} there after {seconds(there)}"
        for each, there, _ in ages
        if there > bound + design.slack
    ]
    gone = [went for _, _, went in ages if went is not None]
    if not marks:
        return None
    seen = (
        f"after {' to '.join(dict.fromkeys([seconds(min(gone)), seconds(max(gone))]))}"
        if gone
        else "still there"
    )
    well = not wrong and len(gone) == len(marks)
    return ProbeOutcome(
        "tombstones go",
        f"after {seconds(least)} to {seconds(bound)}",
        _first(wrong, "", seen),
        well,
    )


def active_segment(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The segment that is written to keeps all, older values as well; the last round is in it."""
    missing, count = [], 0
    for look in trace.looks:
        last = trace.rounds[look.rounds - 1]
        records = last.records if last.whole(design.topic.max_segment_ms) else (last.last,)
        kept = [each for each in records if not look.expired(each)]
        missing += [f"offset {each.offset}" for each in kept if not look.holds(each)]
        count = max(count, len(kept))
    expected = f"{count} records of each round"
    return ProbeOutcome(
        "active segment stays",
        expected,
        _first(missing, "is gone", "all"),
        not missing and count > 0,
    )


def without_key(_design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """A record without a key is refused (LogValidator, INVALID_RECORD)."""
    return ProbeOutcome(
        "keyless is refused",
        "INVALID_RECORD",
        trace.keyless or "taken",
        "INVALID_RECORD" in trace.keyless,
    )


def earliest(design: Design, trace: ProbeTrace) -> ProbeOutcome | None:
    """Compaction alone does not move the earliest offset; None where retention may as well."""
    if design.topic.deletes:
        return None
    moved = [f"offset {look.start}" for look in trace.looks if look.start]
    return ProbeOutcome("earliest offset stays", "0", _first(moved, "", "0"), not moved)


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
    """Whether of the first two rounds all is gone that has to go: nothing more is to be waited for."""
    if len(trace.rounds) < 3 or not trace.looks:
        return False
    early = trace.written(2)
    going = [old for old, _ in _superseded(early)] + [each for each in early if each.value is None]
    return not any(trace.looks[-1].holds(each) for each in going)


def _superseded(written: Iterable[LoggedRecord]) -> Iterator[tuple[LoggedRecord, LoggedRecord]]:
    """Each record that has a newer one of its key, with that one."""
    last: dict[bytes | None, LoggedRecord] = {}
    for record in written:
        if record.key in last:
            yield last[record.key], record
        last[record.key] = record


def _taken(trace: ProbeTrace, record: LoggedRecord) -> bool:
    """Whether retention removed it in the end, so that compaction cannot be judged by it."""
    return trace.looks[-1].expired(record)


def _ages(
    trace: ProbeTrace, record: LoggedRecord, since: LoggedRecord
) -> tuple[float, float | None]:
    """How long after `since` the record could be read at least, and by when it could not any more."""
    there = max((look.began for look in trace.looks if look.holds(record)), default=0.0)
    gone = (
        look.ended for look in trace.looks if look.began >= since.acked and not look.holds(record)
    )
    went = next(gone, None)
    return there - since.acked, None if went is None else went - since.sent


def _back(looks: list[Look], written: list[LoggedRecord], tombstone: LoggedRecord) -> list[str]:
    """Values of the tombstone's key that can be read while it cannot."""
    olds = [
        each for each in written if each.key == tombstone.key and each.offset < tombstone.offset
    ]
    bare = [look for look in looks if look.began >= tombstone.acked and not look.holds(tombstone)]
    return [f"{_name(old)} is back" for look in bare for old in olds if look.holds(old)]


def _reads(trace: ProbeTrace) -> Iterator[Kept]:
    return (kept for look in trace.looks for kept in look.records)


def _name(record: LoggedRecord) -> str:
    return (record.key or b"?").decode()


def _first(found: list[str], what: str, well: str) -> str:
    """The first of what was found wrong, and how many there are; `well` where nothing was."""
    if not found:
        return well
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]} {what}".strip() + more
