"""What the doctor says. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from provision.core.coverage import Coverage


@dataclass(frozen=True)
class Evidence:
    """Lines that were seen on a host, and the command that shows them; `host` may be the client."""

    host: str
    command: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Symptom:
    """What a rule has found: where (empty: no single host), what shows, why it is so, what to do, and what tells it."""

    host: str
    symptom: str
    cause: str
    fix: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Diagnosis:
    """A clue and its rule. `rank` 1: clients suffer; 2: a failover would not do what it should; 3: worth knowing."""

    rule: str
    rank: int
    source: str
    clue: Symptom

    def json(self) -> dict[str, Any]:
        """Its entry in `doctor --json`."""
        return {"rule": self.rule, "rank": self.rank, "source": self.source, **asdict(self.clue)}


@dataclass(frozen=True)
class Report:
    """All diagnoses, the worst first; the rules that were looked at and found well, by id, with what is well then.

    `partly` are rules that nothing speaks against on the hosts that were seen, with which these are; they are not in
    `well`. `unasked` are those that could not be judged, with the reason; `errors` the hosts that could not be looked
    at, `coverage` these and the others. `whole` is whether all was looked at that could be: the hosts, what a deploy
    would change on them, and the wire.
    """

    diagnoses: tuple[Diagnosis, ...]
    well: Mapping[str, str] = field(default_factory=dict)
    unasked: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    partly: Mapping[str, Coverage] = field(default_factory=dict)
    coverage: Coverage = field(default_factory=Coverage)
    whole: bool = True

    def json(self) -> dict[str, Any]:
        """The document of `doctor --json`."""
        return {
            "ok": self.whole and not self.diagnoses,
            "diagnoses": [diagnosis.json() for diagnosis in self.diagnoses],
            "well": dict(self.well),
            "unasked": dict(self.unasked),
            "errors": dict(self.errors),
            "partly": {rule: coverage.json() for rule, coverage in self.partly.items()},
            **self.coverage.json(),
        }
