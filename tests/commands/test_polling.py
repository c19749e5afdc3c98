"""A host that hangs holds up one round, not the next, and what it says at last is not taken for news."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from provision.commands import polling
from provision.core.errors import HostError
from provision.deploy.project import load
from provision.hosts.live.state import LiveHost
from tests import REPOSITORY
from tests.hosts.live.building import healthy

INVENTORY = REPOSITORY / "inventories/lab.yml"


class Logins:
    """Logins to nowhere, by name."""

    targets = ("lvs1", "lvs2")

    def of(self, host: str) -> str:
        return host


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> tuple[polling.Poller, dict[str, Any]]:
    """Rounds over two hosts; `waits` holds back a host's answer, `fails` refuses it."""
    project = load(INVENTORY)
    lives = healthy(project.topology)
    ways: dict[str, Any] = {}

    def look(host: str, agent: str) -> tuple[LiveHost, dict[str, list[str]]]:
        assert agent == "status"
        way = ways.get(host)
        if isinstance(way, threading.Event):
            way.wait(5)
        elif way:
            raise HostError(host, way)
        return lives[host], {"clock": ["5.0"]}

    monkeypatch.setattr(polling, "look_with", look)
    return polling.Poller(project, Logins()), ways  # type: ignore[arg-type]


def test_a_host_that_hangs_does_not_hold_up_the_next_round(
    site: tuple[polling.Poller, dict[str, Any]],
) -> None:
    found, ways = site
    ways["lvs1"] = late = threading.Event()
    first = found.take(0.2, drift=False)
    assert set(first.snapshot.lives) == {"lvs2"} and "no answer for" in first.errors["lvs1"]
    began = time.monotonic()
    assert set(found.take(5, drift=False).snapshot.lives) == {"lvs2"}
    assert time.monotonic() - began < 1
    late.set()
    del ways["lvs1"]
    time.sleep(0.2)
    assert set(found.take(5, drift=False).snapshot.lives) == {"lvs1", "lvs2"}


def test_a_host_that_fails_is_asked_again(site: tuple[polling.Poller, dict[str, Any]]) -> None:
    found, ways = site
    ways["lvs2"] = "the connection was lost"
    assert found.take(5, drift=False).errors == {"lvs2": "lvs2: the connection was lost"}
    del ways["lvs2"]
    assert found.take(5, drift=False).errors == {}
