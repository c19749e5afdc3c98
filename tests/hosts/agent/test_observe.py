"""How the observe agent's answers are read; what it really answers is tested in tests/agent."""

from __future__ import annotations

import pytest

from provision.core.errors import HostError, InputError
from provision.core.facts import Facts
from provision.desired.items import DesiredHost, File
from provision.hosts.agent.observe import observe
from tests.memory import MemorySession

WANTED = DesiredHost("web1", (File("/etc/x", b"new"),))


def test_one_exec_asks_for_facts_and_then_for_what_they_render_to() -> None:
    session = MemorySession("fact|os_family|redhat", "facts-end", "file|/etc/x|absent|||||0", "end")
    rendered: list[Facts] = []

    def render(facts: Facts) -> DesiredHost:
        rendered.append(facts)
        return WANTED

    desired, observed = observe(session, render)
    assert desired is WANTED and observed.facts == rendered[0] and rendered[0].os_family == "redhat"
    assert observed.items["file", "/etc/x"].attributes is None
    assert session.execs == 1 and b"/etc/x" in session.channel.told and session.channel.closed


def test_a_mode_has_four_digits() -> None:
    session = MemorySession("facts-end", "file|/etc/x|file|abc|640|root|root|0", "end")
    attributes = observe(session, lambda _facts: WANTED)[1].items["file", "/etc/x"].attributes
    assert attributes == {"sha256": "abc", "mode": "0640", "owner": "root", "group": "root"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "connection was lost"),
        (["fact|os_family|debian"], "connection was lost"),
        (["facts-end"], "connection was lost"),
        (["facts-end", "file|/etc/x|absent|||||0"], "connection was lost"),
        (["error|the tool ip is missing"], "the tool ip is missing"),
        (["Welcome to web1"], "in place of a fact"),
        (["facts-end", "dance|x|y"], "no kind of item"),
        (["facts-end", "file|/etc/x"], "cannot be read"),
        (["facts-end", "file|/etc/x|file|abc|640|root|root|many"], "cannot be read"),
        (["ledger|file", "facts-end"], "ledger is damaged"),
    ],
)
def test_an_answer_that_breaks_off_or_makes_no_sense(answer: list[str], words: str) -> None:
    session = MemorySession(*answer)
    with pytest.raises(HostError, match=words) as failure:
        observe(session, lambda _facts: WANTED)
    assert str(failure.value).startswith("web1: ") and "nothing was changed" in str(failure.value)
    assert session.channel.closed


def test_an_error_of_rendering_ends_the_look() -> None:
    def render(_facts: Facts) -> DesiredHost:
        raise InputError([])

    session = MemorySession("facts-end")
    with pytest.raises(InputError):
        observe(session, render)
    assert session.channel.closed
