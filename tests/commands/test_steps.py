"""Steps: each is shown when it ends, and the first failure gives the exit code."""

from __future__ import annotations

import io

import pytest

from provision.commands.steps import StepResult, Steps
from provision.core.errors import Exit, HactlError, Unreachable
from provision.core.events import Console
from provision.core.terminal import Screen


def new_steps() -> tuple[Steps, io.StringIO]:
    """Steps, and the stream that shows them."""
    screen = io.StringIO()
    return Steps(Screen(screen), Console(io.StringIO())), screen


def fail(error: BaseException) -> str:
    raise error


def test_the_first_failure_gives_the_exit_code() -> None:
    steps, screen = new_steps()
    assert steps.run("deploy", lambda: "4 hosts")
    code_before: int = steps.exit_code
    assert code_before == Exit.OK
    assert not steps.run("verify", lambda: fail(Unreachable("web1", "no answer", "is it on?")))
    assert not steps.run("drills", lambda: fail(HactlError("1 failed")))
    assert steps.exit_code == Exit.UNREACHABLE
    lines = screen.getvalue().splitlines()
    assert lines[0].split() == ["deploy", "ok", "0.0", "s", "4", "hosts"]
    assert lines[1].endswith("web1: no answer")
    assert lines[2] == "  is it on?"
    assert steps.done[1].json() == {
        "name": "verify",
        "ok": False,
        "seconds": 0.0,
        "message": "web1: no answer\n  is it on?",
    }


def test_an_interruption_is_not_a_failed_step() -> None:
    steps, _ = new_steps()
    with pytest.raises(KeyboardInterrupt):
        steps.run("drills", lambda: fail(KeyboardInterrupt()))
    assert steps.done == []


@pytest.mark.parametrize("message", ["word " * 60, "x" * 200, "", "first\n" + "second " * 30])
def test_a_long_message_stays_within_80_columns(message: str) -> None:
    shown = [text for text, _ in StepResult("verify again", False, 1234.5, message).lines()]
    assert max(map(len, shown)) <= 80
    assert "".join(message.split()) in "".join("".join(shown).split())
