"""The rules and the run of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.checks.doctor.evidence import DoctorCase
from provision.checks.doctor.result import Diagnosis, Report, Symptom
from provision.checks.doctor.scope import Scope
from provision.checks.verify.wire import Unavailable
from provision.core.coverage import Coverage

Judge = Callable[[DoctorCase], Iterator[Symptom]]

OUTAGE, FAILOVER, NOTE = 1, 2, 3
"""Ranks: clients suffer now; the next failover will not do what it should; worth knowing."""


@dataclass(frozen=True)
class DoctorRule:
    """One cause to look for. `well` says what is so when it is not found, `source` where it is known from.

    `about` are the hosts that it is judged on, several kinds where it takes one of each; `compares` that it takes two.
    It is not named where one of the rules `unless` was found for the same host, or for no single host: those say more.
    """

    id: str
    rank: int
    well: str
    source: str
    judge: Judge
    about: tuple[Scope, ...]
    compares: bool = False
    unless: tuple[str, ...] = ()

    def coverage(self, case: DoctorCase) -> Coverage:
        """Which of the hosts that it is about were seen.

        Raises:
            NotAsked: so few of them that it cannot be judged.
        """
        kinds = [scope(case) for scope in self.about]
        for kind in kinds:
            if kind.unseen and len(kind.seen) < (2 if self.compares else 1):
                raise Unavailable(
                    f"{kind.counted()} could be looked at"
                    + ", and it compares several" * self.compares
                )
        hosts = tuple(dict.fromkeys(host for kind in kinds for host in kind.hosts))
        return Coverage(hosts, {host: why for kind in kinds for host, why in kind.unseen.items()})


RULES: dict[str, DoctorRule] = {}


def rule(
    id: str,
    rank: int,
    well: str,
    source: str,
    about: tuple[Scope, ...],
    compares: bool = False,
    unless: tuple[str, ...] = (),
) -> Callable[[Judge], Judge]:
    """Register a rule under its id."""

    def register(judge: Judge) -> Judge:
        assert id not in RULES, id
        RULES[id] = DoctorRule(id, rank, well, source, judge, about, compares, unless)
        return judge

    return register


def diagnose(case: DoctorCase) -> Report:
    """Every rule over a case: what was found, the worst first, and what was looked at and is well, on which hosts."""
    found: dict[str, list[Symptom]] = {}
    unasked: dict[str, str] = {}
    partly: dict[str, Coverage] = {}
    for each in RULES.values():
        clues = found[each.id] = []
        try:
            for clue in each.judge(case):
                clues.append(clue)
            if not clues and (coverage := each.coverage(case)).unseen:
                partly[each.id] = coverage
        except Unavailable as reason:
            unasked[each.id] = str(reason)
    diagnoses = [
        Diagnosis(each.id, each.rank, each.source, clue)
        for each in RULES.values()
        for clue in found[each.id]
        if not _explained(clue, each.unless, found)
    ]
    diagnoses.sort(key=lambda diagnosis: diagnosis.rank)
    well = {
        id: RULES[id].well
        for id, clues in found.items()
        if not clues and id not in {**unasked, **partly}
    }
    whole = not (case.errors or case.compared.unseen or case.wire.failed)
    return Report(tuple(diagnoses), well, unasked, dict(case.errors), partly, case.coverage, whole)


def _explained(clue: Symptom, unless: tuple[str, ...], found: dict[str, list[Symptom]]) -> bool:
    others = (other for id in unless for other in found.get(id, ()))
    return any(not clue.host or not other.host or other.host == clue.host for other in others)
