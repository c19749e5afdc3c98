"""The outcome of a check of a probe, a value."""

from __future__ import annotations

from dataclasses import dataclass

from provision.kafka.retention.show import duration

MIN_ROUNDED_MS = 600_000
"""Milliseconds from which on a time is shown without tenths of a second."""


@dataclass(frozen=True)
class ProbeOutcome:
    """The outcome of a check: its name, the expected and observed results, and whether it holds."""

    check: str
    expected: str
    observed: str
    ok: bool


def seconds(ms: float) -> str:
    """A measured time as text, rounded: `18.3 s`."""
    return f"{round(ms / 1000, 1):g} s" if ms < MIN_ROUNDED_MS else duration(round(ms))
