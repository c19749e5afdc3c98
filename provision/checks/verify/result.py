"""The result of a verify run: plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provision.core.coverage import Coverage
from provision.core.errors import Exit

SUITE = Path(__file__).parent / "suite"
"""The tests that hactl ships."""

OWN_TESTS = "tests"
"""The folder beside the inventory with the operator's own tests."""


@dataclass(frozen=True)
class Check:
    """The result of one test.

    `host` is empty for a whole front end. `skipped` is the reason why the test was not made.
    `message` is the failure, or a remark of a check that passed. `unknown` says that the host was
    not inspected: such a check is not `ok`, and has not failed.
    """

    name: str
    host: str
    ok: bool
    skipped: str | None
    seconds: float
    message: str = ""
    unknown: bool = False

    @property
    def failed(self) -> bool:
        """Whether something was seen that is wrong."""
        return not self.ok and not self.unknown

    def json(self) -> dict[str, Any]:
        """The check's entry in `verify --json`."""
        return {
            "name": self.name,
            "host": self.host,
            "ok": self.ok,
            "skipped": self.skipped,
            "unknown": self.unknown,
            "seconds": round(self.seconds, 3),
            "message": self.message,
        }


@dataclass(frozen=True)
class Verification:
    """A whole run: the checks, the hosts that were inspected, the duration in seconds."""

    checks: tuple[Check, ...]
    coverage: Coverage = field(default_factory=Coverage)
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
        return Exit.UNREACHABLE if self.coverage.unseen else Exit.OK if self.ok else Exit.FAILED

    def json(self) -> dict[str, Any]:
        """The document of `verify --json`."""
        checks = [check.json() for check in self.checks]
        return {"ok": self.ok, "checks": checks, **self.coverage.json()}


@dataclass(frozen=True)
class Counts:
    """How many checks of a run, or of a part of it, ended in each way."""

    passed: int
    failed: int
    unknown: int
    skipped: int

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Counts:
        """The counts of these checks."""
        checks = list(checks)
        failed = sum(check.failed for check in checks)
        unknown = sum(check.unknown for check in checks)
        skipped = sum(check.skipped is not None for check in checks)
        return cls(len(checks) - failed - unknown - skipped, failed, unknown, skipped)

    def __str__(self) -> str:
        """`47 checks passed, 0 failed, 0 skipped`; unknown ones are counted where there are any."""
        unknown = f"{self.unknown} unknown, " if self.unknown else ""
        return f"{self.passed} checks passed, {self.failed} failed, {unknown}{self.skipped} skipped"
