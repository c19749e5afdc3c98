"""How a host came out of a run."""

from __future__ import annotations

from dataclasses import dataclass

from provision.errors import Exit


@dataclass(frozen=True)
class HostResult:
    """How one host came out of a run.

    `outcome` is changed, unchanged, failed, unreachable, skipped or rolled_back; `message` says what state the
    host is in when that is not obvious.
    """

    host: str
    outcome: str
    changes: int = 0
    execs: int = 0
    seconds: float = 0.0
    message: str = ""
    exit_code: Exit = Exit.OK

    def json(self) -> dict[str, str | int | float]:
        """The host's entry in `deploy --json`."""
        entry: dict[str, str | int | float] = {
            "outcome": self.outcome,
            "changes": self.changes,
            "execs": self.execs,
            "seconds": round(self.seconds, 3),
        }
        if self.message:
            entry["message"] = self.message
        return entry
