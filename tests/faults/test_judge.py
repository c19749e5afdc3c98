"""What the judge of the matrix must not let pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.judge import LEFT, NEW, OLD, Ended, lies
from tests.faults.outcome import Outcome
from tests.faults.probe import longest_gap
from tests.faults.steps import STEPS
from tests.faults.table import shown, summary, tables


def ended(code: int, **outcomes: str) -> Ended:
    """A command that said `OUTCOME` or `OUTCOME: MESSAGE` of each host."""
    parted = {host: said.partition(": ") for host, said in outcomes.items()}
    hosts: dict[str, dict[str, Any]] = {
        host: {"outcome": outcome, "message": message}
        for host, (outcome, _, message) in parted.items()
    }
    return Ended(code, hosts)


TRUE = [
    (ended(0, a="changed", b="unchanged"), {"a": NEW, "b": OLD}),
    (
        ended(1, a="failed: the host rolls them back", b="rolled_back: as it was"),
        {"a": OLD, "b": OLD},
    ),
    (ended(1, a="failed: either did or took them back", b="changed"), {"a": NEW, "b": NEW}),
    (ended(1, a="failed: either did or took them back"), {"a": OLD}),
    (ended(4, a="unreachable", b="skipped: not touched"), {"a": LEFT, "b": OLD}),
    (ended(5, a="failed: locked by kim"), {"a": OLD}),
    (ended(1, a="failed: rollback failed, look at the host"), {"a": "-/etc/x"}),
    (ended(-9), {"a": OLD, "b": NEW}),
]
FALSE = [
    (ended(0, a="changed"), {"a": OLD}),
    (ended(0, a="unchanged"), {"a": NEW}),
    (ended(0, a="rolled_back"), {"a": OLD}),
    (ended(1, a="changed"), {"a": NEW}),
    (ended(1, a="rolled_back"), {"a": NEW}),
    (ended(1, a="failed: the host rolls them back"), {"a": NEW}),
    (ended(1, a="failed: either did or took them back"), {"a": "-/etc/x"}),
    (ended(1, a="failed: rollback failed, look at the host"), {"a": OLD}),
    (ended(1), {"a": OLD}),
    (ended(4, a="failed", b="skipped"), {"a": OLD, "b": "-/etc/x"}),
]


@pytest.mark.parametrize(("said", "states"), TRUE)
def test_what_is_true_passes(said: Ended, states: dict[str, str]) -> None:
    assert list(lies(said, states)) == []


@pytest.mark.parametrize(("said", "states"), FALSE)
def test_what_is_false_is_named(said: Ended, states: dict[str, str]) -> None:
    assert list(lies(said, states))


def test_a_host_that_another_deploy_has_changed_is_as_this_one_found_it() -> None:
    said = ended(5, a="failed: locked by kim", b="unchanged")
    assert list(lies(said, {"a": "-/etc/x", "b": NEW}, {"a": ("-/etc/x",), "b": (NEW,)})) == []
    assert len(list(lies(said, {"a": "-/etc/x", "b": NEW}, {"a": ("-/etc/x",), "b": (OLD,)}))) == 2


def test_the_longest_time_without_an_answer() -> None:
    assert longest_gap([1.0, 1.5, 4.0, 9.0], 1.0, 5.0) == 2.5
    assert longest_gap([], 1.0, 5.0) == 4.0
    assert longest_gap([1.0], 0.5, 5.0) == 4.0, "also the one that still lasts"


def test_the_table_has_every_step_and_fits_a_screen() -> None:
    outcomes = [
        Outcome("power cut", "connect", "=", 701),
        Outcome("power cut", "kept", "+", 1234),
        Outcome("1 of 20 unreachable", "ready", "="),
        Outcome("power cut", "reload", "=", 30, problems=["a lock is left"]),
    ]
    text = tables(outcomes, ["power cut", "1 of 20 unreachable"])
    assert max(map(len, text.splitlines())) <= 80
    assert all(step.name in text for step in STEPS)
    assert "= 701" in text and "+ 1234" in text and "x 30" in text
    assert shown(None) == "."
    assert summary(outcomes).startswith(
        "4 cells, 1 of them wrong: 2 as it was; 1 as intended; 1 wrong."
    )
