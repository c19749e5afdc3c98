"""The matrix as text: two tables of at most 80 columns, and a summary. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.faults.outcome import SYMBOLS, Outcome
from tests.faults.steps import STEPS

NAME, CELL = 19, 10
HALVES = (tuple(step.name for step in STEPS[:6]), tuple(step.name for step in STEPS[6:]))


def shown(outcome: Outcome | None) -> str:
    """A cell: the end state, and the worst outage in milliseconds if there is a VIP."""
    if outcome is None:
        return "."
    end = "x" if outcome.problems else outcome.end
    return end if outcome.outage is None else f"{end} {outcome.outage}"


def tables(outcomes: Sequence[Outcome], faults: Sequence[str]) -> str:
    """A row for each fault and a column for each step; six steps in each table."""
    by_cell = {(outcome.fault, outcome.step): outcome for outcome in outcomes}
    return "\n".join(line for half in HALVES for line in (*_table(by_cell, faults, half), ""))


def _table(
    by_cell: Mapping[tuple[str, str], Outcome], faults: Sequence[str], steps: Sequence[str]
) -> Iterator[str]:
    yield " " * NAME + "".join(f"{step:>{CELL}}" for step in steps)
    for fault in faults:
        yield f"{fault:<{NAME}}" + "".join(
            f"{shown(by_cell.get((fault, step))):>{CELL}}" for step in steps
        )


def summary(outcomes: Sequence[Outcome]) -> str:
    """The number of cells, their end states and the worst outage, in a sentence."""
    wrong = sum(1 for outcome in outcomes if outcome.problems)
    outages = [outcome.outage for outcome in outcomes if outcome.outage is not None]
    parts = [
        f"{count} {meaning}"
        for mark, meaning in SYMBOLS.items()
        if (count := sum(1 for outcome in outcomes if shown(outcome).split()[0] == mark))
    ]
    counts = f"{len(outcomes)} cells, {wrong} of them wrong"
    return f"{counts}: {'; '.join(parts)}. Worst outage: {max(outages, default=0)} ms."
