"""The generation of a rollback, and the output of `hactl history`."""

from __future__ import annotations

import dataclasses

import pytest

from provision.commands.history import diff_lines, table_lines
from provision.commands.rollback import choose, target_number
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError, UsageError
from tests.hosts.agent.test_generations import GENERATION, chronicle


def test_the_default_is_the_state_before_the_last_run() -> None:
    """Run 3 did not change web2, so web2 stays as it is: a rollback mixes no runs."""
    logs = {"web1": chronicle(1, 2, 3, attempt=3), "web2": chronicle(1, 2, attempt=2)}
    assert target_number(logs) == 2
    assert {host: generation.number for host, generation in choose(logs, 2).items()} == {
        "web1": 2,
        "web2": 2,
    }


def test_after_a_run_that_was_rolled_back_the_target_is_the_present_generation() -> None:
    logs = {"web1": chronicle(1, 2, attempt=3), "web2": chronicle(1, attempt=3)}
    assert target_number(logs) == 2


def test_where_the_second_batch_failed_only_the_first_batch_is_rolled_back() -> None:
    logs = {"web1": chronicle(1, 2, attempt=2), "lvs1": chronicle(1, attempt=2)}
    chosen = choose(logs, target_number(logs))
    assert {host: generation.number for host, generation in chosen.items()} == {
        "web1": 1,
        "lvs1": 1,
    }


def test_without_an_earlier_generation_a_rollback_is_refused() -> None:
    with pytest.raises(
        HactlError, match="no host has a generation before its present one"
    ) as caught:
        target_number({"web1": chronicle(1, attempt=1), "web2": chronicle()})
    assert caught.value.exit_code == Exit.INPUT


def test_a_host_without_so_old_a_generation_is_named() -> None:
    logs = {"web1": chronicle(1, 2), "web9": chronicle(2)}
    with pytest.raises(
        HactlError, match=r"web9: no generation up to 1 is kept there\n.*--limit"
    ) as caught:
        choose(logs, 1)
    assert caught.value.exit_code == Exit.INPUT


def test_a_number_that_no_host_has_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no host has a generation 4"):
        choose({"web1": chronicle(1, 2)}, 4)


def test_the_table_fits_80_columns_and_marks_the_present_generation() -> None:
    wide = dataclasses.replace(
        GENERATION, number=1234, who="someone@a-very-long-host-name.example.net"
    )
    by_host = {"web1": (GENERATION, wide), "a-very-long-name-of-a-host": (), "web2": (GENERATION,)}
    lines = [line for line, _ in table_lines(by_host, Coverage())]
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:4] == ["web1", "1234*", "2026-01-01", "00:00"]
    assert lines[3].split()[1] == "7" and lines[4].strip() == "rollback to 4"
    assert "no deploy was ever confirmed here" in lines[5]


def test_the_diff_of_a_generation_is_complete() -> None:
    lines = [line for line, _ in diff_lines({"web1": (GENERATION,)})]
    assert lines == [
        "web1: generation 7 (rollback to 4), 2026-01-01T00:00:00Z by kim@ops",
        "  + file     /etc/a  0644",
        "      +a",
        "  ~ file     /etc/b  content",
        "      -a",
        "      +b",
        "  ~ unit     k.service  reload",
        "  - address  192.0.2.1/32",
    ]
