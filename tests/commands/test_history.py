"""Which generation a rollback means, and what `hactl history` shows."""

from __future__ import annotations

import dataclasses

import pytest

from provision.commands.history import diff_lines, table_lines
from provision.commands.rollback import choose, target_number
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HactlError, UsageError
from tests.hosts.agent.test_generations import GENERATION, chronicle


def test_the_default_is_the_state_before_the_last_run() -> None:
    """web2 was left unchanged by run 3, so that it stays where it is: no mixture of different runs."""
    found = {"web1": chronicle(1, 2, 3, attempt=3), "web2": chronicle(1, 2, attempt=2)}
    assert target_number(found) == 2
    assert {host: generation.number for host, generation in choose(found, 2).items()} == {
        "web1": 2,
        "web2": 2,
    }


def test_after_a_run_that_was_rolled_back_there_is_nothing_to_take_back() -> None:
    found = {"web1": chronicle(1, 2, attempt=3), "web2": chronicle(1, attempt=3)}
    assert target_number(found) == 2


def test_where_a_batch_was_confirmed_and_the_next_failed_only_the_first_goes_back() -> None:
    found = {"web1": chronicle(1, 2, attempt=2), "lvs1": chronicle(1, attempt=2)}
    chosen = choose(found, target_number(found))
    assert {host: generation.number for host, generation in chosen.items()} == {
        "web1": 1,
        "lvs1": 1,
    }


def test_without_an_earlier_generation_it_is_said_and_nothing_done() -> None:
    with pytest.raises(
        HactlError, match="no host has a generation before its present one"
    ) as caught:
        target_number({"web1": chronicle(1, attempt=1), "web2": chronicle()})
    assert caught.value.exit_code == Exit.INPUT


def test_a_host_that_goes_not_back_so_far_is_named() -> None:
    found = {"web1": chronicle(1, 2), "web9": chronicle(2)}
    with pytest.raises(
        HactlError, match=r"web9: no generation up to 1 is kept there\n.*--limit"
    ) as caught:
        choose(found, 1)
    assert caught.value.exit_code == Exit.INPUT


def test_a_number_that_nobody_has_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no host has a generation 4"):
        choose({"web1": chronicle(1, 2)}, 4)


def test_the_table_fits_80_columns_and_marks_the_present_generation() -> None:
    wide = dataclasses.replace(
        GENERATION, number=1234, who="someone@a-very-long-host-name.example.net"
    )
    kept = {"web1": (GENERATION, wide), "a-very-long-name-of-a-host": (), "web2": (GENERATION,)}
    lines = [line for line, _ in table_lines(kept, Coverage())]
    assert max(map(len, lines)) <= 80
    assert lines[1].split()[:4] == ["web1", "1234*", "2026-01-01", "00:00"]
    assert lines[3].split()[1] == "7" and lines[4].strip() == "rollback to 4"
    assert "no deploy was ever confirmed here" in lines[5]


def test_a_generations_diff_is_shown_whole() -> None:
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
