"""A cell of the matrix and its outcome."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.judge import KEPT, LEFT, NEW, OLD, gave_up

SYMBOLS = {
    "=": "as it was",
    "+": "as intended",
    "~": "as it was, except for the lock of the dead run, which the next deploy takes",
    "*": "as intended, except for old copies on a read-only /etc, which the next deploy deletes",
    "!": "neither, and reported; the next deploy repaired it",
    "x": "wrong",
}
"""The end states of the host that the fault struck."""


@dataclass(frozen=True)
class Cell:
    """A fault at a step."""

    fault: str
    step: str

    def __str__(self) -> str:
        return f"{self.fault.replace(' ', '_').replace('/', '')}-{self.step}"


@dataclass
class Outcome:
    """The outcome of a cell: the end state, the worst outage in ms, and the problems."""

    fault: str
    step: str
    end: str = "x"
    outage: int | None = None
    code: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return asdict(self)


def symbol(state: str, message: str) -> str:
    """The symbol of a host's end state; `message` is the command's message about the host."""
    return {OLD: "=", NEW: "+", LEFT: "~", KEPT: "*"}.get(state) or (
        "!" if gave_up(message) else "x"
    )
