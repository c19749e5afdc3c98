"""A Report as text of at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from provision.doctor.result import Diagnosis, Evidence, Report

WIDTH = 80
MOST_LINES = 12
GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"
RANKS = {
    1: ("clients suffer", RED),
    2: ("a failover would not do what it should", YELLOW),
    3: ("worth knowing", ""),
}

Line = tuple[str, str]


def report_lines(report: Report) -> Iterator[Line]:
    """What was found, the worst first, with its evidence; then what is well, and what could not be judged."""
    for number, diagnosis in enumerate(report.diagnoses, 1):
        yield from _diagnosis(number, diagnosis)
        yield "", ""
    if report.well:
        yield from _wrapped("found well: ", ", ".join(report.well), GREEN)
    for id, reason in report.unasked.items():
        yield from _wrapped(f"not looked at: {id}: ", reason.splitlines()[0], YELLOW)
    for host, error in report.errors.items():
        yield from _wrapped(f"not looked at: {host}: ", error.splitlines()[0].removeprefix(f"{host}: "), RED)
    yield _summary(report), BOLD


def _diagnosis(number: int, diagnosis: Diagnosis) -> Iterator[Line]:
    clue = diagnosis.clue
    words, colour = RANKS[diagnosis.rank]
    place = f"{clue.host}: " if clue.host else ""
    yield from _wrapped(f"{number}. ", f"{place}{clue.symptom}", colour or BOLD)
    yield from _wrapped("   likely cause: ", clue.cause, BOLD)
    for evidence in clue.evidence:
        yield from _evidence(evidence)
    yield from _wrapped("   what to do: ", clue.fix, "")
    yield from _wrapped("   ", f"{diagnosis.rule} ({words}); {diagnosis.source}", DIM)


def _evidence(evidence: Evidence) -> Iterator[Line]:
    yield f"   {evidence.host}$ {evidence.command}"[:WIDTH], DIM
    for line in evidence.lines[:MOST_LINES]:
        yield _cut(f"     {line}"), ""
    if len(evidence.lines) > MOST_LINES:
        yield f"     … {len(evidence.lines) - MOST_LINES} more lines", DIM


def _cut(text: str) -> str:
    text = text.replace("\t", " ")
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _wrapped(head: str, text: str, colour: str) -> Iterator[Line]:
    indent = " " * min(len(head), 6)
    for line in textwrap.wrap(head + text, WIDTH, subsequent_indent=indent, drop_whitespace=True) or [head]:
        yield line, colour


def _summary(report: Report) -> str:
    causes = len(report.diagnoses)
    found = "nothing was found" if not causes else "1 cause was found" if causes == 1 else f"{causes} causes were found"
    return f"{found[0].upper()}{found[1:]}; {len(report.well)} of {len(report.well) + causes_of(report)} rules hold."


def causes_of(report: Report) -> int:
    """How many rules do not hold or could not be judged."""
    return len({diagnosis.rule for diagnosis in report.diagnoses}) + len(report.unasked)
