"""One lab of pairs for the whole matrix. The cells that were chosen run beforehand, one at a time on each pair."""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provision.lab import control
from tests.faults.cells import Cell, Outcome, run_cell
from tests.faults.site import LAB, Site, start_lab, vip, write_roles
from tests.faults.watching import Watch

PAIRS = 5
"""At most so many pairs: systemd takes a few of the machine's 128 inotify instances in each container."""
RESULTS = "HACTL_FAULT_RESULTS"
"""Names the file that the outcomes are written to, for scripts/fault-matrix."""


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[Cell, Outcome]]:
    """What became of every cell that was chosen."""
    chosen: list[Cell] = [
        item.callspec.params["cell"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "cell" in getattr(item, "fixturenames", ())
    ]
    folder = tmp_path_factory.mktemp(LAB)
    write_roles(folder)
    count = max(1, min(PAIRS, len(chosen) // 3))
    control.down(LAB, lambda _text: None)
    try:
        start_lab(count)
        done = run_all([Site(number, folder) for number in range(count)], chosen)
        yield done
    finally:
        control.down(LAB, lambda _text: None)
    if os.environ.get(RESULTS):
        Path(os.environ[RESULTS]).write_text(json.dumps([outcome.json() for outcome in done.values()], indent=1))


def run_all(sites: list[Site], cells: list[Cell]) -> dict[Cell, Outcome]:
    """The outcome of each cell; every site takes the next one when it is free."""
    waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in cells:
        waiting.put(cell)
    done: dict[Cell, Outcome] = {}
    with ThreadPoolExecutor(len(sites)) as pool:
        list(pool.map(Site.set_up, sites))
        with Watch([vip(number) for number in range(len(sites))]) as watch:
            list(pool.map(lambda site: work(site, watch, waiting, done), sites))
    return done


def work(site: Site, watch: Watch, waiting: queue.SimpleQueue[Cell], done: dict[Cell, Outcome]) -> None:
    """One site's work: cell after cell."""
    while True:
        try:
            cell = waiting.get_nowait()
        except queue.Empty:
            return
        done[cell] = outcome = run_cell(site, watch, cell)
        print(f"{cell}: {outcome.end} {outcome.outage} ms, {outcome.seconds} s, exit {outcome.code}", flush=True)
