"""The doctor's result: diagnoses, their evidence and the report. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from provision.core.coverage import Coverage


@dataclass(frozen=True)
class Evidence:
    """Lines from a host, and the command that prints them; `host` may be the client."""

    host: str
    command: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Symptom:
    """A symptom with its likely cause, the fix and the evidence.

    `host` is empty if the symptom belongs to no single host.
    """

    host: str
    symptom: str
    cause: str
    fix: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Diagnosis:
    """A symptom and the rule that found it.

    `rank` is 1 if clients suffer, 2 if a failover would go wrong, 3 for a note.
    """

    rule: str
    rank: int
    source: str
    symptom: Symptom

    def json(self) -> dict[str, Any]:
        """Return the entry in `doctor --json`."""
        return {
            "rule": self.rule,
            "rank": self.rank,
            "source": self.source,
            **asdict(self.symptom),
        }


@dataclass(frozen=True)
class Report:
    """All diagnoses, the worst first, and the results of the other rules.

    - `well` has the conditions of the rules that hold on all their hosts, by rule id.
    - `partly` has the rules that hold on the hosts that were inspected, with their coverage; these
      rules are not in `well`.
    - `unasked` has the reasons of the rules that could not be judged.
    - `errors` has the errors of hosts that could not be inspected; `coverage` has all hosts.
    - `complete` is true if the doctor inspected everything: the hosts, the changes that a deploy
      would make on them, and the wire.
    """

    diagnoses: tuple[Diagnosis, ...]
    well: Mapping[str, str] = field(default_factory=dict)
    unasked: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    partly: Mapping[str, Coverage] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    complete: bool = True

    def json(self) -> dict[str, Any]:
        """Return the document of `doctor --json`."""
        return {
            "ok": self.complete and not self.diagnoses,
            "diagnoses": [diagnosis.json() for diagnosis in self.diagnoses],
            "well": dict(self.well),
            "unasked": dict(self.unasked),
            "errors": dict(self.errors),
            "partly": {rule: coverage.json() for rule, coverage in self.partly.items()},
            **self.coverage.json(),
        }
