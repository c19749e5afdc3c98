"""The fault matrix of a deploy: one test for each cell. docs/fault-matrix.md has the outcomes.

In every cell, the service through the VIP was never gone for longer than one failover bound. Each
host ended as it was or as intended, without leftovers of the run. The command's report of each host
was true, exit code included. The next deploy succeeded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import pytest

from tests.faults.outcome import Cell, Outcome
from tests.faults.rows import CELLS, REPRESENTATIVE

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]


def _parameters() -> list[object]:
    return [
        pytest.param(cell, id=str(cell), marks=[pytest.mark.lab] if cell in REPRESENTATIVE else [])
        for cell in CELLS
    ]


@pytest.mark.parametrize("cell", _parameters())
def test_a_deploy_cannot_make_things_worse(outcomes: Mapping[Cell, Outcome], cell: Cell) -> None:
    outcome = outcomes[cell]
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.end in ("=", "+", "~", "*", "!")
