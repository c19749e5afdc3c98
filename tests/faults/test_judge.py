"""The judge of the matrix accepts true reports and names false ones; the figures and the table."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.judge import LEFT, NEW, OLD, CommandResult, false_reports
from tests.faults.outcome import Outcome
from tests.faults.probe import longest_gap
from tests.faults.steps import STEPS
from tests.faults.table import shown, summary, tables


def result(code: int, **reports: str) -> CommandResult:
    """A command that reported `OUTCOME` or `OUTCOME: MESSAGE` for each host."""
    parts = {host: report.partition(": ") for host, report in reports.items()}
    hosts: dict[str, dict[str, Any]] = {
        host: {"outcome": outcome, "message": message}
        for host, (outcome, _, message) in parts.items()
    }
    return CommandResult(code, hosts)


TRUE = [
    (result(0, a="changed", b="unchanged"), {"a": NEW, "b": OLD}),
    (
        result(1, a="failed: the host rolls them back", b="rolled_back: as it was"),
        {"a": OLD, "b": OLD},
    ),
    (result(1, a="failed: either did or took them back", b="changed"), {"a": NEW, "b": NEW}),
    (result(1, a="failed: either did or took them back"), {"a": OLD}),
    (result(4, a="unreachable", b="skipped: not touched"), {"a": LEFT, "b": OLD}),
    (result(5, a="failed: locked by kim"), {"a": OLD}),
    (result(1, a="failed: rollback failed, look at the host"), {"a": "-/etc/x"}),
    (result(-9), {"a": OLD, "b": NEW}),
]
FALSE = [
    (result(0, a="changed"), {"a": OLD}),
    (result(0, a="unchanged"), {"a": NEW}),
    (result(0, a="rolled_back"), {"a": OLD}),
    (result(1, a="changed"), {"a": NEW}),
    (result(1, a="rolled_back"), {"a": NEW}),
    (result(1, a="failed: the host rolls them back"), {"a": NEW}),
    (result(1, a="failed: either did or took them back"), {"a": "-/etc/x"}),
    (result(1, a="failed: rollback failed, look at the host"), {"a": OLD}),
    (result(1), {"a": OLD}),
    (result(4, a="failed", b="skipped"), {"a": OLD, "b": "-/etc/x"}),
]


@pytest.mark.parametrize(("report", "states"), TRUE)
def test_a_true_report_passes(report: CommandResult, states: dict[str, str]) -> None:
    assert list(false_reports(report, states)) == []


@pytest.mark.parametrize(("report", "states"), FALSE)
def test_a_false_report_is_named(report: CommandResult, states: dict[str, str]) -> None:
    assert list(false_reports(report, states))


def test_a_host_that_another_deploy_has_changed_may_keep_its_state() -> None:
    report = result(5, a="failed: locked by kim", b="unchanged")
    assert (
        list(false_reports(report, {"a": "-/etc/x", "b": NEW}, {"a": ("-/etc/x",), "b": (NEW,)}))
        == []
    )
    assert (
        len(
            list(
                false_reports(report, {"a": "-/etc/x", "b": NEW}, {"a": ("-/etc/x",), "b": (OLD,)})
            )
        )
        == 2
    )


def test_the_longest_time_without_an_answer() -> None:
    assert longest_gap([1.0, 1.5, 4.0, 9.0], 1.0, 5.0) == 2.5
    assert longest_gap([], 1.0, 5.0) == 4.0
    assert longest_gap([1.0], 0.5, 5.0) == 4.0, "also a gap that still lasts"


def test_the_table_has_every_step_and_fits_80_columns() -> None:
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
