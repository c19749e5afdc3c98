"""A probe and its verdict as lines of at most 80 columns and as JSON. Pure."""

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
    """The probe's name and brokers, its shortened parameters, and the time that it takes."""
    design = probe.design
    policies = ",".join(sorted(design.original.policies))
    yield f"{design.original.name}: cleanup.policy {policies}", BOLD
    brokers = ", ".join(map(str, probe.first))
    yield from wrapped(
        f"probe {probe.name} on broker{'s' if len(probe.first) > 1 else ''} {brokers}",
        first="  ",
        rest="    ",
    )
    yield from _row(CHANGES, ("parameter", "of the topic", "of the probe", "proportion"), "")
    for change in design.changes:
        values = [_value(change.key, change.topic), _value(change.key, change.probe)]
        yield from _row(CHANGES, (change.key, *values, _proportion(change)), "")
    for text in _plan_of_topic(design):
        yield from wrapped(text, first="  ", rest="    ")
    for text in design.left_out:
        yield from wrapped(f"not verified: {text}", YELLOW, first="  ", rest="    ")
    yield from wrapped(
        f"takes {duration(design.longest)} at most: {waits(design)}", first="  ", rest="    "
    )


def waits(design: Design) -> str:
    """The broker's parameter that the probe has to wait for, with its value."""
    if design.topic.compacts:
        return f"log.cleaner.backoff.ms is {duration(design.cleaner.backoff)}"
    return f"log.retention.check.interval.ms is {duration(design.cleaner.check_interval)}"


def verdict(result: ProbeVerdict) -> Iterator[Line]:
    """The outcomes of the checks, and their number."""
    for part, outcomes in result.outcomes.items():
        yield from _row(OUTCOMES, ("", part, "expected", "seen"), BOLD)
        for outcome in outcomes:
            mark, colour = ("ok", GREEN) if outcome.ok else ("FAILED", RED)
            cells = (mark, outcome.check, outcome.expected, outcome.observed)
            yield from _row(OUTCOMES, cells, colour)
    results = [outcome.ok for outcomes in result.outcomes.values() for outcome in outcomes]
    name = result.probe.design.original.name
    if failed := results.count(False):
        yield f"  {name}: {failed} of {len(results)} checks failed", RED
    else:
        yield f"  {name}: all {len(results)} checks hold", GREEN


def document(result: ProbeVerdict) -> dict[str, Any]:
    """The probe and its verdict as JSON; times in milliseconds, sizes in bytes."""
    design = result.probe.design
    return {
        "topic": design.original.name,
        "cleanup_policy": sorted(design.original.policies),
        "probe": result.probe.name,
        "brokers": list(result.probe.first),
        "shortened": [
            {"parameter": change.key, "topic": change.topic, "probe": change.probe}
            for change in design.changes
        ],
        "longest_ms": design.longest,
        "not_shown": list(design.left_out),
        "checks": [
            _check_json(part, outcome)
            for part, outcomes in result.outcomes.items()
            for outcome in outcomes
        ],
        "well": result.ok,
    }


def _check_json(part: Part, outcome: ProbeOutcome) -> dict[str, Any]:
    return {
        "about": part,
        "check": outcome.check,
        "expected": outcome.expected,
        "seen": outcome.observed,
        "well": outcome.ok,
    }


def _plan_of_topic(design: Design) -> Iterator[str]:
    """The plan's times for the topic itself, which the probe does not wait for."""
    planned = plan(design.original, design.cleaner, Use(1))
    name = design.original.name
    if design.original.deletes and planned.readable is not None:
        yield f"in {name} itself a record can be read for {duration(planned.readable)} at most"
    if design.original.compacts and planned.superseded is not None:
        older, tombstone = duration(planned.superseded), duration(planned.tombstone)
        yield (
            f"in {name} itself an older value is gone after {older}, a tombstone after {tombstone}"
        )
    yield f"for all figures run `hactl kafka retention plan {name}`"


def _value(key: str, count: int) -> str:
    if count < 0:
        return "no bound"
    return duration(count) if key.endswith(".ms") else size(count)


def _proportion(change: ConfigChange) -> str:
    return f"1:{change.topic / change.probe:,.0f}".replace(",", " ") if change.probe > 0 else ""


def _row(widths: Sequence[int], cells: Sequence[str], colour: str) -> Iterator[Line]:
    """A row of a table; it has as many lines as its longest cell."""
    columns = [
        textwrap.wrap(cell, width - 1) or [""] for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*columns, fillvalue=""):
        line = "".join(part.ljust(width) for part, width in zip(parts, widths, strict=True))
        yield f"  {line}".rstrip(), colour
