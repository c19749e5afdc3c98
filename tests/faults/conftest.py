"""One lab of pairs, and a fleet of twenty hosts, for the whole matrix.

The chosen cells run before the tests, one at a time on each pair.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provision.lab import control
from tests.faults import cells, fleet
from tests.faults.outcome import Cell, Outcome
from tests.faults.site import LAB, Site, start_lab, vip, write_roles
from tests.faults.watching import Watch

MAX_PAIRS = 4
"""In each container systemd takes some of the machine's 128 inotify instances."""

RESULTS = "HACTL_FAULT_RESULTS"
"""The variable that names the file for the outcomes, a line of JSON each (scripts/fault-matrix)."""


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Mapping[Cell, Outcome]]:
    """The outcome of every chosen cell."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    cells = [test.callspec.params.get("cell") for test in tests if "outcomes" in test.fixturenames]
    chosen = [cell for cell in cells if isinstance(cell, Cell)]
    folder = Path(tempfile.mkdtemp(prefix="hactl-faults-", dir="/var/tmp"))
    write_roles(folder)
    try:
        with ThreadPoolExecutor(2) as pool:
            futures = [
                pool.submit(
                    on_the_fleet, folder, [cell for cell in chosen if cell.fault == fleet.FAULT]
                ),
                pool.submit(
                    on_pairs, folder, [cell for cell in chosen if cell.fault != fleet.FAULT]
                ),
            ]
            done = {
                cell: outcome for future in futures for cell, outcome in future.result().items()
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield done


def on_pairs(folder: Path, chosen: Sequence[Cell]) -> dict[Cell, Outcome]:
    """The outcome of each cell; every pair takes the next cell when it is free."""
    if not chosen:
        return {}
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in chosen:
        waiting.put(cell)
    count = max(1, min(MAX_PAIRS, len(chosen) // 3))
    done: dict[Cell, Outcome] = {}
    control.down(LAB, lambda _text: None)
    try:
        start_lab(count)
        sites = [Site(number, folder) for number in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Site.set_up, sites))
            with Watch([vip(number) for number in range(count)]) as watch:
                list(pool.map(lambda site: work(site, watch, waiting, done), sites))
    finally:
        control.down(LAB, lambda _text: None)
    return done


def work(
    site: Site, watch: Watch, waiting: queue.SimpleQueue[Cell], done: dict[Cell, Outcome]
) -> None:
    """Run cells on one pair until none is left."""
    while True:
        try:
            cell = waiting.get_nowait()
        except queue.Empty:
            return
        report(cell, done.setdefault(cell, cells.run_cell(site, watch, cell)))


def on_the_fleet(folder: Path, chosen: Sequence[Cell]) -> dict[Cell, Outcome]:
    """The outcome of each cell, one after the other."""
    if not chosen:
        return {}
    twenty = fleet.Fleet(folder)
    done = {}
    try:
        twenty.boot()
        for cell in chosen:
            done[cell] = fleet.run_cell(twenty, cell)
            report(cell, done[cell])
    finally:
        twenty.delete()
    return done


def report(cell: Cell, outcome: Outcome) -> None:
    """Print the outcome (shown with `pytest -s`), and add it to the results file."""
    problems = "".join(f"\n    {problem}" for problem in outcome.problems)
    figures = f"{outcome.outage} ms, {outcome.seconds} s, exit {outcome.code}"
    print(f"{cell}: {outcome.end} {figures}{problems}", flush=True)
    if os.environ.get(RESULTS):
        with open(os.environ[RESULTS], "a") as file:
            file.write(json.dumps(outcome.json()) + "\n")
