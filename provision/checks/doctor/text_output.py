"""The doctor's report as text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.checks.doctor.result import Diagnosis, Evidence, Report
from provision.core.terminal import BOLD, DIM, GREEN, RED, WIDTH, YELLOW, Line, shortened, wrapped

MAX_EVIDENCE_LINES = 12
RANKS = {
    1: ("clients suffer", RED),
    2: ("a failover would go wrong", YELLOW),
    3: ("worth knowing", ""),
}


def report_lines(report: Report) -> Iterator[Line]:
    """Yield the diagnoses, the worst first, then the results of the other rules."""
    for number, diagnosis in enumerate(report.diagnoses, 1):
        yield from _diagnosis_lines(number, diagnosis)
        yield "", ""
    if report.well:
        yield from _headed("found well: ", ", ".join(report.well), GREEN)
    counts = {id: coverage.counted() for id, coverage in report.partly.items()}
    for count, ids in _grouped(counts):
        yield from _headed(f"well on the {count} seen: ", ", ".join(ids), YELLOW)
    reasons = {id: reason.splitlines()[0] for id, reason in report.unasked.items()}
    for reason, ids in _grouped(reasons):
        yield from _headed("not judged: ", f"{', '.join(ids)}: {reason}", YELLOW)
    for host, error in report.errors.items():
        message = error.splitlines()[0].removeprefix(f"{host}: ")
        yield from _headed(f"not inspected: {host}: ", message, RED)
    yield _summary(report), BOLD


def _grouped(texts: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield every different text once, in order, with the rules that have it."""
    for text in dict.fromkeys(texts.values()):
        yield text, [id for id, rule_text in texts.items() if rule_text == text]


def _diagnosis_lines(number: int, diagnosis: Diagnosis) -> Iterator[Line]:
    symptom = diagnosis.symptom
    rank, colour = RANKS[diagnosis.rank]
    host = f"{symptom.host}: " if symptom.host else ""
    yield from _headed(f"{number}. ", f"{host}{symptom.symptom}", colour or BOLD)
    yield from _headed("   likely cause: ", symptom.cause, BOLD)
    for evidence in symptom.evidence:
        yield from _evidence_lines(evidence)
    yield from _headed("   what to do: ", symptom.fix, "")
    yield from _headed("   ", f"{diagnosis.rule} ({rank}); {diagnosis.source}", DIM)


def _evidence_lines(evidence: Evidence) -> Iterator[Line]:
    yield f"   {evidence.host}$ {evidence.command}"[:WIDTH], DIM
    for line in evidence.lines[:MAX_EVIDENCE_LINES]:
        yield shortened(f"     {line}"), ""
    if len(evidence.lines) > MAX_EVIDENCE_LINES:
        yield f"     … {len(evidence.lines) - MAX_EVIDENCE_LINES} more lines", DIM


def _headed(head: str, text: str, colour: str) -> Iterator[Line]:
    """Yield a heading with its text. Later lines are indented by the heading's width, at most 6."""
    return wrapped(head + text, colour, rest=" " * min(len(head), 6))


def _summary(report: Report) -> str:
    count = len(report.diagnoses)
    causes = {0: "No cause was found", 1: "1 cause was found"}.get(
        count, f"{count} causes were found"
    )
    diagnosed = {diagnosis.rule for diagnosis in report.diagnoses}
    total = len({*report.well, *report.partly, *report.unasked, *diagnosed})
    partly = f", {len(report.partly)} on the hosts seen" if report.partly else ""
    unknown = f", {len(report.unasked)} unknown" if report.unasked else ""
    return f"{causes}; {len(report.well)} of {total} rules hold{partly}{unknown}."
