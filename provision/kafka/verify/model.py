"""A check and its result, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provision.core.errors import Exit
from provision.kafka.raw_client import UNEXPECTED_ANSWER, UNREACHABLE, Address

NOT_REACHED = (UNREACHABLE, UNEXPECTED_ANSWER)
"""Answers that come from no broker: there is no server, or the server does not speak Kafka."""


@dataclass(frozen=True)
class KafkaCheckResult:
    """A check: its kind `id`, its `user` (empty: the cluster's), and its subject `about`.

    `accepts` are the answers with which the check passes; the first is the expected one. `address`
    is the peer; `names` are the topics, groups or mechanisms. `skipped` is why it cannot run.
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
    """A check's answer: a word to compare, and the peer's text; `seconds` is its duration."""

    check: KafkaCheckResult
    answer: str = ""
    text: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the check passed or was skipped."""
        return bool(self.check.skipped) or self.answer in self.check.accepts

    @property
    def answer_text(self) -> str:
        """The answer with the peer's text, if it has any."""
        return f"{self.answer}: {self.text}" if self.text else self.answer

    def json(self) -> dict[str, Any]:
        """Return the check's entry in `kafka verify --json`."""
        check = self.check
        return {
            "id": check.id,
            "user": check.user,
            "about": check.about,
            "ok": self.ok,
            "skipped": check.skipped or None,
            "expected": check.accepts[0],
            "seen": self.answer_text,
            "hint": "" if self.ok else check.hint,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class KafkaVerification:
    """A whole run: the results in order, and its duration in seconds."""

    results: tuple[Result, ...]
    seconds: float = 0.0

    @property
    def completed(self) -> tuple[Result, ...]:
        """The results of the checks that were not skipped."""
        return tuple(result for result in self.results if not result.check.skipped)

    @property
    def ok(self) -> bool:
        """Whether no check failed and at least one ran: a run without a check proves nothing."""
        return all(result.ok for result in self.results) and bool(self.completed)

    @property
    def reached(self) -> bool:
        """Whether any check had an answer from the cluster; True for a run without a check."""
        return not self.completed or any(
            result.answer not in NOT_REACHED for result in self.completed
        )

    @property
    def exit(self) -> Exit:
        """0, 1 for a failed check, 4 if nothing of the cluster was reached."""
        if not self.reached:
            return Exit.UNREACHABLE
        return Exit.OK if self.ok else Exit.FAILED

    def json(self) -> Mapping[str, Any]:
        """Return the document of `kafka verify --json`."""
        return {
            "ok": self.ok,
            "reached": self.reached,
            "seconds": round(self.seconds, 1),
            "checks": [result.json() for result in self.results],
        }
