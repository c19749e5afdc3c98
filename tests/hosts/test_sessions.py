"""Logins that stay open, against real sshds in network namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.core.errors import HostError, Unreachable, UsageError
from provision.hosts.agent.look import look_at
from provision.hosts.sessions import Sessions
from provision.hosts.ssh import SshSession
from tests.hosts.conftest import Net, known, net

__all__ = ["known", "net"]

pytestmark = pytest.mark.ssh

Within = Callable[[Callable[[Sessions], object]], None]


@pytest.fixture
def within(net: Net, known: Path) -> Iterator[Within]:
    """Run a test with sessions to a host that is there (web1), and one that is not (web2)."""
    there = net.target(known)
    gone = replace(there, host="web2", port=9)

    def run(test: Callable[[Sessions], object]) -> None:
        def body() -> None:
            with Sessions({"web1": there, "web2": gone}) as sessions:
                test(sessions)

        net.client.enter(body)

    yield run


def output(session: SshSession) -> bytes | None:
    channel = session.run_agent("echo here")
    try:
        return channel.read_line()
    finally:
        channel.close()


def test_a_login_is_kept(within: Within) -> None:
    def test(sessions: Sessions) -> None:
        first = sessions.of("web1")
        assert sessions.of("web1") is first
        assert output(first) == b"here\n"

    within(test)


def test_a_dead_one_is_opened_again(net: Net, within: Within) -> None:
    def test(sessions: Sessions) -> None:
        first = sessions.of("web1")
        net.near.cut()
        with pytest.raises(HostError, match="lost"):
            output(first)
        second = sessions.of("web1")
        assert second is not first
        assert output(second) == b"here\n"

    within(test)


def test_all_at_once_and_the_error_of_the_one_that_is_gone(within: Within) -> None:
    def test(sessions: Sessions) -> None:
        results = sessions.all()
        assert list(results) == ["web1", "web2"]
        assert isinstance(results["web1"], SshSession)
        assert isinstance(results["web2"], Unreachable)
        assert list(sessions.all(["web1"])) == ["web1"]

    within(test)


def test_a_host_that_is_none_of_the_runs(within: Within) -> None:
    def test(sessions: Sessions) -> None:
        with pytest.raises(UsageError, match="web9"):
            sessions.of("web9")

    within(test)


def test_looks_at_the_one_that_is_there(within: Within) -> None:
    def test(sessions: Sessions) -> None:
        results = look_at(sessions)
        live, error = results["web1"], results["web2"]
        assert isinstance(error, Unreachable)
        assert not isinstance(live, HostError)
        assert any(entry.address == "10.77.0.2" for entry in live.addresses)
        assert abs(live.clock) < 1

    within(test)
