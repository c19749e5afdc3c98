"""How long a drain waits, what it says meanwhile, and what it ends with."""

from __future__ import annotations

import pytest

from provision.commands import drain
from provision.commands.drain import await_end
from provision.deploy.drain import Remaining
from tests.hosts.told import Told


def left(count: int) -> tuple[Remaining, ...]:
    return (Remaining("lvs1", f"{count} connections", count),) if count else ()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "POLL_INTERVAL", 0.01)


def test_it_waits_wait_until_clear_is_left_and_says_each_change_once() -> None:
    told, looks = Told(), iter([3, 3, 1, 0])
    rest, seconds = await_end(lambda: left(next(looks)), 60, told, "web2")
    assert rest == () and 0.02 < seconds < 5
    assert told.lines == [
        "web2: waiting: 3 connections on lvs1",
        "web2: waiting: 1 connections on lvs1",
    ]


def test_it_does_not_wait_for_ever() -> None:
    rest, seconds = await_end(lambda: left(2), 0.05, Told(), "web2")
    assert rest == left(2) and 0.05 <= seconds < 5


def test_without_a_wait_it_looks_once() -> None:
    looks = []
    rest, _ = await_end(lambda: looks.append(1) or left(1), 0, Told(), "web2")  # type: ignore[func-returns-value]
    assert (len(looks), rest) == (1, left(1))


def test_interrupted_it_says_that_the_host_stays_drained() -> None:
    told = Told()

    def interrupted() -> tuple[Remaining, ...]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await_end(interrupted, 60, told, "web2")
    assert told.lines == ["web2 stays drained; `hactl undrain web2` returns it to service"]
