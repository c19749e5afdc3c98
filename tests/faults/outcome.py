"""A cell of the matrix and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.judge import KEPT, LEFT, NEW, OLD, gave_up

SYMBOLS = {
    "=": "as it was",
    "+": "as intended",
    "~": "as it was, but for the lock of the dead run, which the next deploy takes",
    "*": "as intended, but for old copies that a read-only /etc keeps; the next deploy clears them away",
    "!": "neither, and said so; the next deploy mended it",
    "x": "wrong",
}
"""How the host ended that the fault struck."""


@dataclass(frozen=True)
class Cell:
    """A fault at a step."""

    fault: str
    step: str

    def __str__(self) -> str:
        return f"{self.fault.replace(' ', '_').replace('/', '')}-{self.step}"


@dataclass
class Outcome:
    """What became of a cell: how the host ended, the worst outage in milliseconds, and what was wrong."""

    fault: str
    step: str
    end: str = "x"
    outage: int | None = None
    code: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def symbol(state: str, message: str) -> str:
    """How a host ended; `message` is what the command said of it."""
    return {OLD: "=", NEW: "+", LEFT: "~", KEPT: "*"}.get(state) or (
        "!" if gave_up(message) else "x"
    )
