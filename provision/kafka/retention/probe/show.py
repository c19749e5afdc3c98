"""What a probe has shown, as lines of at most 80 columns and as JSON. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from provision.core.terminal import BOLD, GREEN, RED, YELLOW, Line, wrapped
from provision.kafka.retention.model import Use
from provision.kafka.retention.plan import plan
from provision.kafka.retention.probe.design import ConfigChange, Design, Part
from provision.kafka.retention.probe.outcome import ProbeOutcome
from provision.kafka.retention.show import duration, size

if TYPE_CHECKING:
    from provision.kafka.retention.probe.run import ProbeVerdict
    from provision.kafka.retention.probe.topic import Probe

CHANGES = (23, 15, 15, 22)
OUTCOMES = (7, 22, 25, 24)
"""Widths of the columns."""


def header(probe: Probe) -> Iterator[Line]:
    """What the probe is: its name, what was shortened, how long it takes at most, what is not shown."""
    design = probe.design
    yield (
        f"{design.original.name}: cleanup.policy {','.join(sorted(design.original.policies))}",
        BOLD,
    )
    brokers = ", ".join(map(str, probe.first))
    yield from wrapped(
        f"beside it {probe.name} on broker{'s' if len(probe.first) > 1 else ''} {brokers}",
        first="  ",
        rest="    ",
    )
    yield from _row(CHANGES, ("parameter", "of the topic", "of the probe", "proportion"), "")
    for each in design.changes:
        shown = [_value(each.key, each.topic), _value(each.key, each.probe), _proportion(each)]
        yield from _row(CHANGES, (each.key, *shown), "")
    for text in _meaning(design):
        yield from wrapped(text, first="  ", rest="    ")
    for text in design.left_out:
        yield from wrapped(f"not shown: {text}", YELLOW, first="  ", rest="    ")
    yield from wrapped(
        f"takes {duration(design.longest)} at most: {waits(design)}", first="  ", rest="    "
    )


def waits(design: Design) -> str:
    """The brokers' own times that the probe has to wait for."""
    times = []
    if design.topic.compacts:
        times.append(f"log.cleaner.backoff.ms is {duration(design.cleaner.backoff)}")
    else:
        times.append(
            f"log.retention.check.interval.ms is {duration(design.cleaner.check_interval)}"
        )
    return ", ".join(times)


def verdict(found: ProbeVerdict) -> Iterator[Line]:
    """What came of each check."""
    for part, outcomes in found.outcomes.items():
        yield from _row(OUTCOMES, ("", part, "expected", "seen"), BOLD)
        for each in outcomes:
            mark = "ok" if each.well else "FAILED"
            yield from _row(
                OUTCOMES, (mark, each.check, each.expected, each.seen), GREEN if each.well else RED
            )
    every = [each for outcomes in found.outcomes.values() for each in outcomes]
    failed = sum(not each.well for each in every)
    name = found.probe.design.original.name
    if failed:
        yield f"  {name}: {failed} of {len(every)} checks failed", RED
    else:
        yield f"  {name}: all {len(every)} checks hold", GREEN


def document(found: ProbeVerdict) -> dict[str, Any]:
    """The same as JSON; times in milliseconds, sizes in bytes."""
    design = found.probe.design
    return {
        "topic": design.original.name,
        "cleanup_policy": sorted(design.original.policies),
        "probe": found.probe.name,
        "brokers": list(found.probe.first),
        "shortened": [
            {"parameter": each.key, "topic": each.topic, "probe": each.probe}
            for each in design.changes
        ],
        "longest_ms": design.longest,
        "not_shown": list(design.left_out),
        "checks": [
            _check(part, each) for part, outcomes in found.outcomes.items() for each in outcomes
        ],
        "well": found.well,
    }


def _check(part: Part, each: ProbeOutcome) -> dict[str, Any]:
    return {
        "about": part,
        "check": each.check,
        "expected": each.expected,
        "seen": each.seen,
        "well": each.well,
    }


def _meaning(design: Design) -> Iterator[str]:
    """What the plan says of the topic itself, whose times nobody waits for here."""
    planned = plan(design.original, design.cleaner, Use(1))
    name = design.original.name
    if design.original.deletes and planned.readable is not None:
        yield f"of {name} itself a record can be read for {duration(planned.readable)} at most"
    if design.original.compacts and planned.superseded is not None:
        older, mark = duration(planned.superseded), duration(planned.tombstone)
        yield f"of {name} itself an older value is gone after {older}, a tombstone after {mark}"
    yield f"`hactl kafka retention plan {name}` tells more of it"


def _value(key: str, count: int) -> str:
    if count < 0:
        return "no bound"
    return duration(count) if key.endswith(".ms") else size(count)


def _proportion(each: ConfigChange) -> str:
    return f"1:{each.topic / each.probe:,.0f}".replace(",", " ") if each.probe > 0 else ""


def _row(widths: Sequence[int], cells: Sequence[str], colour: str) -> Iterator[Line]:
    """A row of a table, in as many lines as its longest cell needs."""
    columns = [
        textwrap.wrap(cell, width - 1) or [""] for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*columns, fillvalue=""):
        line = "".join(part.ljust(width) for part, width in zip(parts, widths, strict=True))
        yield f"  {line}".rstrip(), colour
