"""The checks on retention: it removes whole segments, not too early and not too late. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from provision.kafka.retention.deadlines import expired, filled
from provision.kafka.retention.probe.design import Design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.trace import Look, ProbeTrace, Round
from provision.kafka.retention.show import size

MIN_ROUNDS = 3
"""Rounds whose removal must be seen; a probe that is also compacted has no more rounds."""

MAX_OVERHEAD = 1.25
"""Bytes on the disk per byte of bulk, at most: headers of records and batches add to it."""


def boundaries(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The earliest offset is the first offset of a segment, or the end of the log."""
    limit = design.topic.max_segment_ms
    bases = {item.base for item in trace.rounds}
    split = [
        range(item.base, item.last.offset + 1) for item in trace.rounds if not item.whole(limit)
    ]
    wrong, starts = [], []
    for look in trace.looks:
        if (
            look.start in bases
            or look.start == look.end
            or any(look.start in offsets for offsets in split)
        ):
            starts += [look.start] if look.start not in starts else []
        else:
            wrong.append(look.start)
    observed = ", ".join(map(str, [*starts[:4], *(["…"] if starts[4:] else [])]))
    if wrong:
        observed = f"{wrong[0]}, within a segment"
    return ProbeOutcome(
        "earliest offset", "where a segment begins", observed, not wrong and len(starts) > 1
    )


def not_before(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """No segment is removed before its last record is older than retention.ms."""
    ages = [look.ended - item.last.sent for item, look in _removals(trace)]
    minimum = design.topic.retention_ms
    observed = f"{seconds(min(ages))} at least" if ages else "nothing is gone"
    return ProbeOutcome(
        "not too early",
        f"after {seconds(minimum)}",
        observed,
        bool(ages) and min(ages) >= minimum,
    )


def in_time(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Segments are removed by the plan's deadline.

    For segments that the cleaner merges, the deadline counts from the last record of all.
    """
    bound = expired(design.topic, design.cleaner)
    assert bound is not None, "a design without a deadline is refused"
    ages = [0.0]
    for item in trace.rounds:
        last = trace.rounds[-1] if design.topic.compacts else item
        present = [look.began for look in trace.looks if look.start <= item.last.offset]
        ages.append(max(present, default=0.0) - last.last.acked)
    removed = len({item.base for item, _ in _removals(trace)})
    return ProbeOutcome(
        "not too late",
        f"within {seconds(bound)}",
        f"{removed} gone, in {seconds(max(ages))}",
        max(ages) <= bound + design.slack and removed >= MIN_ROUNDS,
    )


def remains(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Deletion by size leaves at least retention.bytes."""
    minimum = design.topic.retention_bytes
    sizes = [look.size for look in trace.looks if look.start > 0]
    observed = f"{size(min(sizes))} at least" if sizes else "nothing is gone"
    return ProbeOutcome(
        "enough is left",
        f"{size(minimum)} or more",
        observed,
        bool(sizes) and min(sizes) >= minimum,
    )


def removed(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """After a deletion the log is smaller than retention.bytes and a segment together.

    Bytes that were written since the deletion do not count.
    """
    limit = design.topic.retention_bytes + int(design.segment * MAX_OVERHEAD)
    too_large, sizes = [], []
    for before, after in pairwise(trace.looks):
        if after.start > before.start:
            sizes.append(after.size)
            written = (after.rounds - before.rounds) * int(design.bulk * MAX_OVERHEAD)
            too_large += [after.size] if after.size >= limit + written else []
    observed = f"{size(max(too_large or sizes))} at most" if sizes else "nothing is gone"
    return ProbeOutcome(
        "the rest goes", f"below {size(limit)}", observed, bool(sizes) and not too_large
    )


def filled_in_time(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The first deletion by size comes by the plan's deadline."""
    bound = filled(design.topic, design.cleaner, design.bulk_use)
    assert bound is not None, "a design without a deadline is refused"
    first = next((look for look in trace.looks if look.start > 0), None)
    waited = (first or trace.looks[-1]).began - trace.rounds[0].last.acked
    return ProbeOutcome(
        "first deletion",
        f"within {seconds(bound)}",
        f"after {seconds(waited)}" if first else f"nothing after {seconds(waited)}",
        first is not None and waited <= bound + design.slack,
    )


AGE = (boundaries, not_before, in_time)
SIZE = (remains, removed, filled_in_time)


def aged(trace: ProbeTrace) -> bool:
    """Whether the first rounds are gone, so that the checks on retention.ms are complete."""
    return (
        len(trace.rounds) >= MIN_ROUNDS
        and bool(trace.looks)
        and trace.looks[-1].start > trace.rounds[MIN_ROUNDS - 1].last.offset
    )


def shrunk(trace: ProbeTrace) -> bool:
    """Whether a deletion was seen."""
    return bool(trace.looks) and trace.looks[-1].start > 0


def _removals(trace: ProbeTrace) -> Iterator[tuple[Round, Look]]:
    """Each removed round, with the first look after its removal."""
    for item in trace.rounds:
        look = next((look for look in trace.looks if look.start > item.last.offset), None)
        if look is not None:
            yield item, look
