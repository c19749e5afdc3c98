"""The registry of the doctor's rules, and the run of all rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from provision.checks.doctor.evidence import DoctorCase
from provision.checks.doctor.result import Diagnosis, Report, Symptom
from provision.checks.doctor.scope import Scope
from provision.checks.verify.wire import Unavailable
from provision.core.coverage import Coverage

Check = Callable[[DoctorCase], Iterator[Symptom]]

OUTAGE, FAILOVER, NOTE = 1, 2, 3
"""Ranks: clients suffer now; the next failover would go wrong; worth knowing."""


@dataclass(frozen=True)
class DoctorRule:
    """A rule that looks for one cause.

    `condition` is what holds if the rule finds nothing. `source` names the standard, manual, issue
    or measurement behind it. The rule judges the hosts of its `scopes`; it needs a host of each
    scope, or two hosts if it `compares` them. The rule is silent if one of the rules `unless` found
    a symptom of the same host, or of no single host: these rules say more.
    """

    id: str
    rank: int
    condition: str
    source: str
    check: Check
    scopes: tuple[Scope, ...]
    compares: bool = False
    unless: tuple[str, ...] = ()

    def coverage(self, case: DoctorCase) -> Coverage:
        """Return which of the rule's hosts were inspected.

        Raises:
            Unavailable: too few hosts were inspected to judge the rule.
        """
        coverages = [scope(case) for scope in self.scopes]
        for coverage in coverages:
            if coverage.unseen and len(coverage.seen) < (2 if self.compares else 1):
                suffix = ", and the rule compares several" if self.compares else ""
                raise Unavailable(f"{coverage.counted()} could be inspected{suffix}")
        hosts = dict.fromkeys(host for coverage in coverages for host in coverage.hosts)
        unseen = {
            host: reason for coverage in coverages for host, reason in coverage.unseen.items()
        }
        return Coverage(tuple(hosts), unseen)


RULES: dict[str, DoctorRule] = {}


def rule(
    id: str,
    rank: int,
    condition: str,
    source: str,
    scopes: tuple[Scope, ...],
    compares: bool = False,
    unless: tuple[str, ...] = (),
) -> Callable[[Check], Check]:
    """Register the decorated function as a rule under its id."""

    def register(check: Check) -> Check:
        assert id not in RULES, id
        RULES[id] = DoctorRule(id, rank, condition, source, check, scopes, compares, unless)
        return check

    return register


def diagnose(case: DoctorCase) -> Report:
    """Run every rule over a case and return the report, the worst diagnosis first."""
    symptoms_by_rule: dict[str, list[Symptom]] = {}
    unasked: dict[str, str] = {}
    partly: dict[str, Coverage] = {}
    for rule in RULES.values():
        symptoms = symptoms_by_rule[rule.id] = []
        try:
            for symptom in rule.check(case):
                symptoms.append(symptom)
            if not symptoms and (coverage := rule.coverage(case)).unseen:
                partly[rule.id] = coverage
        except Unavailable as reason:
            unasked[rule.id] = str(reason)
    diagnoses = [
        Diagnosis(rule.id, rule.rank, rule.source, symptom)
        for rule in RULES.values()
        for symptom in symptoms_by_rule[rule.id]
        if not _is_explained(symptom, rule.unless, symptoms_by_rule)
    ]
    diagnoses.sort(key=lambda diagnosis: diagnosis.rank)
    well = {
        id: RULES[id].condition
        for id, symptoms in symptoms_by_rule.items()
        if not symptoms and id not in unasked and id not in partly
    }
    complete = not (case.errors or case.compared.unseen or case.wire.failed)
    errors = dict(case.errors)
    return Report(tuple(diagnoses), well, unasked, errors, partly, case.coverage, complete)


def _is_explained(
    symptom: Symptom, unless: tuple[str, ...], symptoms_by_rule: Mapping[str, Sequence[Symptom]]
) -> bool:
    others = (other for id in unless for other in symptoms_by_rule.get(id, ()))
    return any(not symptom.host or not other.host or other.host == symptom.host for other in others)
