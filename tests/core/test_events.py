"""Progress: a line a step in a log, one live line on a terminal that is gone when the result comes."""

from __future__ import annotations

import io
import time

from provision.core.events import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_a_step() -> None:
    stream = io.StringIO()
    console = Console(stream)
    console.host("web1", "looked at")
    console.note("interrupted")
    assert [line.split("] ")[1] for line in stream.getvalue().splitlines()] == [
        "web1: looked at",
        "interrupted",
    ]


def test_a_terminal_gets_one_line_whose_seconds_move() -> None:
    stream = Terminal()
    console = Console(stream)
    console.host("web1", "installing nginx")
    time.sleep(1.2)  # slow: two ticks of half a second are what this is about
    console.done()
    drawn = stream.getvalue().split("\r\x1b[K")
    assert "\n" not in stream.getvalue()
    assert len({line for line in drawn if "installing nginx" in line}) >= 2
    assert drawn[-1] == "", "the line is cleared for the result"


def test_a_live_line_never_wraps() -> None:
    stream = Terminal()
    console = Console(stream)
    for number in range(40):
        console.host(f"host{number}", "looked at")
    assert max(len(line) for line in stream.getvalue().split("\r\x1b[K")) < 80
