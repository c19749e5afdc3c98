"""The wait of a drain: its end, its messages and its result."""

from __future__ import annotations

import pytest

from provision.commands import drain
from provision.commands.drain import await_end
from provision.deploy.drain import Remaining
from tests.hosts.told import Told


def remaining(count: int) -> tuple[Remaining, ...]:
    return (Remaining("lvs1", f"{count} connections", count),) if count else ()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "POLL_INTERVAL", 0.01)


def test_it_waits_until_no_work_remains_and_reports_each_change_once() -> None:
    told, counts = Told(), iter([3, 3, 1, 0])
    work, seconds = await_end(lambda: remaining(next(counts)), 60, told, "web2")
    assert work == () and 0.02 < seconds < 5
    assert told.lines == [
        "web2: waiting: 3 connections on lvs1",
        "web2: waiting: 1 connections on lvs1",
    ]


def test_it_stops_waiting_after_the_limit() -> None:
    work, seconds = await_end(lambda: remaining(2), 0.05, Told(), "web2")
    assert work == remaining(2) and 0.05 <= seconds < 5


def test_without_a_wait_it_checks_once() -> None:
    counts = iter([1])
    work, _ = await_end(lambda: remaining(next(counts)), 0, Told(), "web2")
    assert (list(counts), work) == ([], remaining(1))


def test_an_interrupted_wait_reports_that_the_host_stays_drained() -> None:
    told = Told()

    def interrupted() -> tuple[Remaining, ...]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await_end(interrupted, 60, told, "web2")
    assert told.lines == ["web2 stays drained; `hactl undrain web2` returns it to service"]
