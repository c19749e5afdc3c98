"""A check, and how it came out. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.core.errors import Exit
from provision.kafka.raw_client import UNREACHABLE, Address


@dataclass(frozen=True)
class KafkaCheckResult:
    """One thing that must be so: `id` says what kind of thing, `user` whose (empty: the cluster's), `about` what.

    `accepts` are the words of which one must be seen; the first is what is expected. `address` is where to ask; `names`
    are the topics, groups or mechanisms to ask for. `skipped` is why it cannot be done.
    """

    id: str
    user: str
    about: str
    accepts: tuple[str, ...]
    hint: str
    names: tuple[str, ...] = ()
    address: Address = ("", 0)
    skipped: str = ""


@dataclass(frozen=True)
class Result:
    """What was seen: a word to compare, and the other side's own text; how long it took, in seconds."""

    check: KafkaCheckResult
    seen: str = ""
    text: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it is as it must be, or was not asked."""
        return bool(self.check.skipped) or self.seen in self.check.accepts

    def json(self) -> dict[str, Any]:
        """The check's entry in `kafka verify --json`."""
        check = self.check
        return {
            "id": check.id,
            "user": check.user,
            "about": check.about,
            "ok": self.ok,
            "skipped": check.skipped or None,
            "expected": check.accepts[0],
            "seen": f"{self.seen}: {self.text}" if self.text else self.seen,
            "hint": "" if self.ok else check.hint,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class KafkaVerification:
    """A whole run: the results in order, and how long it took in seconds."""

    results: tuple[Result, ...]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something was asked: a run that asked nothing proves nothing."""
        return all(each.ok for each in self.results) and any(
            not each.check.skipped for each in self.results
        )

    @property
    def exit(self) -> Exit:
        """0, 1 for a failed check, 4 where nothing of the cluster could be reached."""
        asked = [each for each in self.results if not each.check.skipped]
        if asked and all(each.seen == UNREACHABLE for each in asked):
            return Exit.UNREACHABLE
        return Exit.OK if self.ok else Exit.FAILED

    def json(self) -> Mapping[str, Any]:
        """The document of `kafka verify --json`."""
        return {
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "checks": [each.json() for each in self.results],
        }
