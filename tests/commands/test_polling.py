"""A host that hangs delays one round only, and its late answer is not shown."""

from __future__ import annotations

import threading
import time
from typing import cast

import pytest

from provision.commands import polling
from provision.core.errors import HostError
from provision.deploy.project import load
from provision.hosts.live.state import LiveHost
from provision.hosts.sessions import Sessions
from tests import REPOSITORY
from tests.hosts.live.building import healthy
from tests.waiting import wait_until

INVENTORY = REPOSITORY / "inventories/lab.yml"


class Logins:
    """Sessions that are the names of their hosts."""

    targets = ("lvs1", "lvs2")

    def of(self, host: str) -> str:
        return host


@pytest.fixture
def site(
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[polling.HostPoller, dict[str, threading.Event | str]]:
    """A poller of two hosts, and by host an event to wait for, or the message of its error."""
    project = load(INVENTORY)
    lives = healthy(project.topology)
    delays: dict[str, threading.Event | str] = {}

    def look(host: str, agent: str) -> tuple[LiveHost, dict[str, list[str]]]:
        assert agent == "status"
        delay = delays.get(host)
        if isinstance(delay, threading.Event):
            delay.wait(5)
        elif delay:
            raise HostError(host, delay)
        return lives[host], {"clock": ["5.0"]}

    monkeypatch.setattr(polling, "look_with", look)
    return polling.HostPoller(project, cast(Sessions, Logins())), delays


def test_a_host_that_hangs_does_not_delay_the_next_round(
    site: tuple[polling.HostPoller, dict[str, threading.Event | str]],
) -> None:
    poller, delays = site
    delays["lvs1"] = late = threading.Event()
    first = poller.take(0.2, drift=False)
    assert set(first.snapshot.lives) == {"lvs2"} and "no answer for" in first.errors["lvs1"]
    began = time.monotonic()
    assert set(poller.take(5, drift=False).snapshot.lives) == {"lvs2"}
    assert time.monotonic() - began < 1
    late.set()
    del delays["lvs1"]
    wait_until(
        lambda: set(poller.take(5, drift=False).snapshot.lives) == {"lvs1", "lvs2"},
        what="lvs1 answers again",
    )


def test_a_host_that_fails_is_polled_again(
    site: tuple[polling.HostPoller, dict[str, threading.Event | str]],
) -> None:
    poller, delays = site
    delays["lvs2"] = "the connection was lost"
    assert poller.take(5, drift=False).errors == {"lvs2": "lvs2: the connection was lost"}
    del delays["lvs2"]
    assert poller.take(5, drift=False).errors == {}
