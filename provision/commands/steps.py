"""The steps of a long run, timed and shown; the first failure gives the exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from provision.core.errors import Exit, HactlError
from provision.core.events import Console
from provision.core.terminal import GREEN, RED, Line, Screen, wrapped


@dataclass(frozen=True)
class StepResult:
    """The result of a step; `seconds` is its duration."""

    name: str
    ok: bool
    seconds: float
    message: str
    exit_code: Exit = Exit.OK

    def json(self) -> dict[str, Any]:
        """The step's entry in `rehearse --json`."""
        return {
            "name": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "message": self.message,
        }

    def lines(self) -> Iterator[Line]:
        """The line for the operator; the lines of a long message follow."""
        head = f"{self.name:<14} {'ok' if self.ok else 'failed':<7} {self.seconds:6.1f} s  "
        first, *others = self.message.splitlines() or [""]
        yield from wrapped(first, GREEN if self.ok else RED, first=head, rest=" " * len(head))
        for line in others:
            yield from wrapped(line.strip(), first="  ", rest="    ")


class Progress:
    """The progress of a step: hosts on a terminal's live line, notes as lines everywhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = sys.stderr.isatty()

    def host(self, host: str, text: str) -> None:
        """Show the progress of a host."""
        if self._live:
            self._console.host(host, text)

    def note(self, text: str) -> None:
        """Print a line about the whole step."""
        self._console.note(text)


class Steps:
    """The steps so far; each is shown on `screen` when it ends."""

    def __init__(self, screen: Screen, console: Console) -> None:
        self.done: list[StepResult] = []
        self._screen = screen
        self._console = console

    def run(self, name: str, job: Callable[[], str]) -> bool:
        """Run a job that returns its message or raises HactlError; returns whether it succeeded."""
        began = time.monotonic()
        try:
            message, code = job(), Exit.OK
        except HactlError as error:
            message, code = str(error), error.exit_code
        self._console.done()
        step = StepResult(name, code == Exit.OK, time.monotonic() - began, message, code)
        self.done.append(step)
        self._screen.show(step.lines())
        return step.ok

    @property
    def exit_code(self) -> Exit:
        """The exit code of the first failed step; 0 where no step failed."""
        return next((step.exit_code for step in self.done if not step.ok), Exit.OK)
