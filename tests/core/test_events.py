"""Progress: a line for each step in a log, or one live line on a terminal, cleared at the end."""

from __future__ import annotations

import io

from provision.core.events import Console
from tests.streams import TerminalStream
from tests.waiting import wait_until


def test_a_log_gets_a_line_for_each_step() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.host("web1", "inspected")
    console.note("interrupted")
    assert [line.split("] ")[1] for line in stream.getvalue().splitlines()] == [
        "web1: inspected",
        "interrupted",
    ]


def test_a_terminal_gets_one_line_whose_seconds_change() -> None:
    stream = TerminalStream()
    console = Console(stream)
    console.host("web1", "installing nginx")
    wait_until(lambda: stream.getvalue().count("installing nginx") >= 3, what="two redraws")
    console.done()
    lines = stream.getvalue().split("\r\x1b[K")
    assert "\n" not in stream.getvalue()
    assert len({line for line in lines if "installing nginx" in line}) >= 2
    assert lines[-1] == "", "the line is cleared for the result"


def test_a_live_line_never_wraps() -> None:
    stream = TerminalStream()
    console = Console(stream)
    for number in range(40):
        console.host(f"host{number}", "inspected")
    assert max(len(line) for line in stream.getvalue().split("\r\x1b[K")) < 80
