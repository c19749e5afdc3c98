"""What came of one check. A value."""

from __future__ import annotations

from dataclasses import dataclass

from provision.kafka.retention.show import duration

MINUTES = 600_000
"""From so many milliseconds on no tenths of a second are told."""


@dataclass(frozen=True)
class ProbeOutcome:
    """A check by its name, what was expected, what was seen, and whether the one is the other."""

    check: str
    expected: str
    seen: str
    well: bool


def seconds(ms: float) -> str:
    """Such as `18.3 s`: rounded, since it was measured."""
    return f"{round(ms / 1000, 1):g} s" if ms < MINUTES else duration(round(ms))
