"""The fault matrix of a deploy: one test a cell. docs/fault-matrix.md shows what came of them.

Every cell: the service through the VIP was never gone for longer than one failover bound; each host ended as it was or
as intended, with nothing left of the run; what the command said of each host was true, exit code included; and the
next deploy succeeded.
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


def _all() -> list[object]:
    return [
        pytest.param(cell, id=str(cell), marks=[pytest.mark.lab] if cell in REPRESENTATIVE else [])
        for cell in CELLS
    ]


@pytest.mark.parametrize("cell", _all())
def test_a_deploy_cannot_make_things_worse(outcomes: Mapping[Cell, Outcome], cell: Cell) -> None:
    outcome = outcomes[cell]
    assert not outcome.problems, "\n".join(outcome.problems)
    assert outcome.end in ("=", "+", "~", "*", "!")
