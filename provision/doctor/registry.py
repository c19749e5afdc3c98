"""The rules and the run of them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.doctor.case import Case
from provision.doctor.result import Clue, Diagnosis, Report
from provision.verify.wire import NotAsked

Judge = Callable[[Case], Iterator[Clue]]

OUTAGE, FAILOVER, NOTE = 1, 2, 3
"""Ranks: clients suffer now; the next failover will not do what it should; worth knowing."""


@dataclass(frozen=True)
class Rule:
    """One cause to look for. `well` says what is so when it is not found, `source` where it is known from.

    It is not named where one of the rules `unless` was found for the same host, or for no single host: those say more.
    """

    id: str
    rank: int
    well: str
    source: str
    judge: Judge
    unless: tuple[str, ...] = ()


RULES: dict[str, Rule] = {}


def rule(id: str, rank: int, well: str, source: str, unless: tuple[str, ...] = ()) -> Callable[[Judge], Judge]:
    """Register a rule under its id."""

    def register(judge: Judge) -> Judge:
        assert id not in RULES, id
        RULES[id] = Rule(id, rank, well, source, judge, unless)
        return judge

    return register


def diagnose(case: Case) -> Report:
    """Every rule over a case: what was found, the worst first, and what was looked at and is well."""
    found: dict[str, list[Clue]] = {}
    unasked: dict[str, str] = {}
    for each in RULES.values():
        clues: list[Clue] = []
        try:
            clues += each.judge(case)
        except NotAsked as reason:
            unasked[each.id] = str(reason)
        found[each.id] = clues
    diagnoses = [
        Diagnosis(each.id, each.rank, each.source, clue)
        for each in RULES.values()
        for clue in found[each.id]
        if not _explained(clue, each.unless, found)
    ]
    diagnoses.sort(key=lambda diagnosis: diagnosis.rank)
    well = {id: RULES[id].well for id, clues in found.items() if not clues and id not in unasked}
    return Report(tuple(diagnoses), well, unasked, dict(case.errors))


def _explained(clue: Clue, unless: tuple[str, ...], found: dict[str, list[Clue]]) -> bool:
    others = (other for id in unless for other in found.get(id, ()))
    return any(not clue.host or not other.host or other.host == clue.host for other in others)
