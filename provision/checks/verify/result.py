"""How a verify run came out. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.core.errors import Exit

SUITE = Path(__file__).parent / "suite"
"""The tests that travel with hactl."""

OWN_TESTS = "tests"
"""The folder beside the inventory where an operator's own tests are."""


@dataclass(frozen=True)
class Check:
    """One test: what it is about, and what became of it.

    `host` is empty for a front end as a whole. `skipped` is the reason where it could not be done. `message` says what
    is wrong, or, of a check that passed, what is worth knowing.
    """

    name: str
    host: str
    ok: bool
    skipped: str | None
    seconds: float
    message: str = ""

    def json(self) -> dict[str, Any]:
        """The check's entry in `verify --json`."""
        return {
            "name": self.name,
            "host": self.host,
            "ok": self.ok,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 3),
            "message": self.message,
        }


@dataclass(frozen=True)
class Verification:
    """A whole run: the checks in order, the hosts that could not be looked at, and how long it took in seconds."""

    checks: tuple[Check, ...]
    unreachable: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something passed: a run that tested nothing proves nothing."""
        return all(check.ok for check in self.checks) and any(
            check.skipped is None for check in self.checks
        )

    @property
    def exit(self) -> Exit:
        """0, 1 for a failed check, 4 where a host could not be looked at."""
        return Exit.UNREACHABLE if self.unreachable else Exit.OK if self.ok else Exit.FAILED

    def json(self) -> dict[str, Any]:
        """The document of `verify --json`."""
        return {"ok": self.ok, "checks": [check.json() for check in self.checks]}
