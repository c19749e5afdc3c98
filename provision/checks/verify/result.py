"""The result of a verify run: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.core.errors import Exit

SUITE = Path(__file__).parent / "suite"
"""The tests that hactl ships."""

OWN_TESTS = "tests"
"""The folder beside the inventory with the operator's own tests."""


@dataclass(frozen=True)
class Check:
    """The result of one test.

    `host` is empty for a whole front end. `skipped` is the reason why the test was not made.
    `message` is the failure, or a remark of a check that passed.
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
    """A whole run: the checks, the hosts that were not inspected, the duration in seconds."""

    checks: tuple[Check, ...]
    unreachable: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no check failed and one passed: a run without a passed check proves nothing."""
        return all(check.ok for check in self.checks) and any(
            check.skipped is None for check in self.checks
        )

    @property
    def exit(self) -> Exit:
        """0, 1 for a failed check, 4 where a host could not be inspected."""
        return Exit.UNREACHABLE if self.unreachable else Exit.OK if self.ok else Exit.FAILED

    def json(self) -> dict[str, Any]:
        """The document of `verify --json`."""
        return {"ok": self.ok, "checks": [check.json() for check in self.checks]}
