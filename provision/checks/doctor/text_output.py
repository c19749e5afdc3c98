"""A Report as text of at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.checks.doctor.result import Diagnosis, Evidence, Report
from provision.core.terminal import BOLD, DIM, GREEN, RED, WIDTH, YELLOW, Line, shortened, wrapped

MOST_LINES = 12
RANKS = {
    1: ("clients suffer", RED),
    2: ("a failover would not do what it should", YELLOW),
    3: ("worth knowing", ""),
}


def report_lines(report: Report) -> Iterator[Line]:
    """What was found, the worst first, with its evidence; then what is well, on which hosts, and what is unknown."""
    for number, diagnosis in enumerate(report.diagnoses, 1):
        yield from _diagnosis(number, diagnosis)
        yield "", ""
    if report.well:
        yield from _headed("found well: ", ", ".join(report.well), GREEN)
    for coverage, ids in _by({id: coverage.counted() for id, coverage in report.partly.items()}):
        yield from _headed(f"well on the {coverage} seen: ", ", ".join(ids), YELLOW)
    for reason, ids in _by({id: reason.splitlines()[0] for id, reason in report.unasked.items()}):
        yield from _headed("not judged: ", f"{', '.join(ids)}: {reason}", YELLOW)
    for host, error in report.errors.items():
        yield from _headed(
            f"not looked at: {host}: ", error.splitlines()[0].removeprefix(f"{host}: "), RED
        )
    yield _summary(report), BOLD


def _by(words: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The words in their order, each once, with the rules that they are about."""
    for word in dict.fromkeys(words.values()):
        yield word, [id for id, each in words.items() if each == word]


def _diagnosis(number: int, diagnosis: Diagnosis) -> Iterator[Line]:
    clue = diagnosis.clue
    words, colour = RANKS[diagnosis.rank]
    place = f"{clue.host}: " if clue.host else ""
    yield from _headed(f"{number}. ", f"{place}{clue.symptom}", colour or BOLD)
    yield from _headed("   likely cause: ", clue.cause, BOLD)
    for evidence in clue.evidence:
        yield from _evidence(evidence)
    yield from _headed("   what to do: ", clue.fix, "")
    yield from _headed("   ", f"{diagnosis.rule} ({words}); {diagnosis.source}", DIM)


def _evidence(evidence: Evidence) -> Iterator[Line]:
    yield f"   {evidence.host}$ {evidence.command}"[:WIDTH], DIM
    for line in evidence.lines[:MOST_LINES]:
        yield shortened(f"     {line}"), ""
    if len(evidence.lines) > MOST_LINES:
        yield f"     … {len(evidence.lines) - MOST_LINES} more lines", DIM


def _headed(head: str, text: str, colour: str) -> Iterator[Line]:
    """A text behind its heading; further lines are indented by the heading's width, at most by six."""
    return wrapped(head + text, colour, rest=" " * min(len(head), 6))


def _summary(report: Report) -> str:
    causes = len(report.diagnoses)
    found = (
        "Nothing was found"
        if not causes
        else "1 cause was found"
        if causes == 1
        else f"{causes} causes were found"
    )
    failed = {diagnosis.rule for diagnosis in report.diagnoses}
    total = len({*report.well, *report.partly, *report.unasked, *failed})
    partly = f", {len(report.partly)} on the hosts seen" if report.partly else ""
    dark = f", {len(report.unasked)} unknown" if report.unasked else ""
    return f"{found}; {len(report.well)} of {total} rules hold{partly}{dark}."
