"""The checks on what retention removes: whole segments, none too early, none too late. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from provision.kafka.retention.deadlines import expired, filled
from provision.kafka.retention.probe.design import Design
from provision.kafka.retention.probe.outcome import ProbeOutcome, seconds
from provision.kafka.retention.probe.trace import Look, ProbeTrace, Round
from provision.kafka.retention.show import size

FIRST = 3
"""Rounds whose end is waited for; where the topic is compacted as well, no more are written."""

OVERHEAD = 1.25
"""Bytes on the disk for one of the bulk, at most: headers of records and batches."""


def boundaries(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The earliest offset is where a segment begins, or the end of the log."""
    limit = design.topic.max_segment_ms
    bases = {each.base for each in trace.rounds}
    split = [
        range(each.base, each.last.offset + 1) for each in trace.rounds if not each.whole(limit)
    ]
    wrong, seen = [], []
    for look in trace.looks:
        if (
            look.start in bases
            or look.start == look.end
            or any(look.start in each for each in split)
        ):
            seen += [look.start] if look.start not in seen else []
        else:
            wrong.append(look.start)
    expected = "where a segment begins"
    shown = (
        f"{wrong[0]}, within a segment"
        if wrong
        else ", ".join(map(str, [*seen[:4], *(["…"] if seen[4:] else [])]))
    )
    return ProbeOutcome("earliest offset", expected, shown, not wrong and len(seen) > 1)


def not_before(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """No segment goes before its last record is older than retention.ms."""
    ages = [look.ended - each.last.sent for each, look in _went(trace)]
    least = design.topic.retention_ms
    seen = f"{seconds(min(ages))} at the least" if ages else "nothing went"
    return ProbeOutcome(
        "not too early", f"after {seconds(least)}", seen, bool(ages) and min(ages) >= least
    )


def in_time(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Segments are gone by the plan's deadline; those that the cleaner puts together go by the last record of all."""
    bound = expired(design.topic, design.cleaner)
    assert bound is not None, "a design without a deadline is refused"
    together = design.topic.compacts
    ages = [0.0]
    for each in trace.rounds:
        last = trace.rounds[-1] if together else each
        there = [look.began for look in trace.looks if look.start <= each.last.offset]
        ages.append(max(there, default=0.0) - last.last.acked)
    went = len({each.base for each, _ in _went(trace)})
    seen = f"{went} went, in {seconds(max(ages))}"
    well = max(ages) <= bound + design.slack and went >= FIRST
    return ProbeOutcome("not too late", f"within {seconds(bound)}", seen, well)


def remains(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Deletion by size leaves retention.bytes at least."""
    least = design.topic.retention_bytes
    sizes = [look.size for look in trace.looks if look.start > 0]
    seen = f"{size(min(sizes))} at the least" if sizes else "nothing went"
    return ProbeOutcome(
        "enough is left", f"{size(least)} or more", seen, bool(sizes) and min(sizes) >= least
    )


def removed(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """Right after a deletion less is left than retention.bytes and a segment, but for what was written meanwhile."""
    most = design.topic.retention_bytes + int(design.segment * OVERHEAD)
    over, sizes = [], []
    for before, after in pairwise(trace.looks):
        if after.start > before.start:
            sizes.append(after.size)
            written = (after.rounds - before.rounds) * int(design.bulk * OVERHEAD)
            over += [after.size] if after.size >= most + written else []
    seen = f"{size(max(over or sizes))} at the most" if sizes else "nothing went"
    return ProbeOutcome("the rest goes", f"below {size(most)}", seen, bool(sizes) and not over)


def filled_in_time(design: Design, trace: ProbeTrace) -> ProbeOutcome:
    """The first deletion by size comes by the plan's deadline."""
    bound = filled(design.topic, design.cleaner, design.bulk_use)
    assert bound is not None, "a design without a deadline is refused"
    first = next((look for look in trace.looks if look.start > 0), None)
    waited = (first or trace.looks[-1]).began - trace.rounds[0].last.acked
    seen = f"after {seconds(waited)}" if first else f"nothing after {seconds(waited)}"
    return ProbeOutcome(
        "first deletion",
        f"within {seconds(bound)}",
        seen,
        first is not None and waited <= bound + design.slack,
    )


AGE = (boundaries, not_before, in_time)
SIZE = (remains, removed, filled_in_time)


def aged(trace: ProbeTrace) -> bool:
    """Whether the first rounds are gone: nothing more is to be waited for."""
    return (
        len(trace.rounds) >= FIRST
        and bool(trace.looks)
        and trace.looks[-1].start > trace.rounds[FIRST - 1].last.offset
    )


def shrunk(trace: ProbeTrace) -> bool:
    """Whether a deletion was seen."""
    return bool(trace.looks) and trace.looks[-1].start > 0


def _went(trace: ProbeTrace) -> Iterator[tuple[Round, Look]]:
    """Each round with the first look that found it gone."""
    for each in trace.rounds:
        look = next((look for look in trace.looks if look.start > each.last.offset), None)
        if look is not None:
            yield each, look
