"""The stages of a long run: each is timed, says how it ended in one line, and the first failure gives the exit code."""

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
    """One stage as it ended; `seconds` is how long it took."""

    name: str
    ok: bool
    seconds: float
    message: str
    exit_code: Exit = Exit.OK

    def json(self) -> dict[str, Any]:
        """The stage's entry in `rehearse --json`."""
        return {
            "name": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "message": self.message,
        }

    def lines(self) -> Iterator[Line]:
        """Its line for the operator; a longer message goes on below it."""
        head = f"{self.name:<14} {'ok' if self.ok else 'failed':<7} {self.seconds:6.1f} s  "
        first, *rest = self.message.splitlines() or [""]
        yield from wrapped(first, GREEN if self.ok else RED, first=head, rest=" " * len(head))
        for line in rest:
            yield from wrapped(line.strip(), first="  ", rest="    ")


class Progress:
    """What goes on within a stage: its steps on a terminal's live line, what is worth a line of its own everywhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = sys.stderr.isatty()

    def host(self, host: str, text: str) -> None:
        """One host got one step further."""
        if self._live:
            self._console.host(host, text)

    def note(self, text: str) -> None:
        """Something about the whole stage."""
        self._console.note(text)


class Steps:
    """The stages run so far, each shown on `screen` when it ends."""

    def __init__(self, screen: Screen, console: Console) -> None:
        self.done: list[StepResult] = []
        self._screen = screen
        self._console = console

    def run(self, name: str, job: Callable[[], str]) -> bool:
        """Run a job that returns what to say of it, or raises HactlError where it fails; returns whether it did not."""
        began = time.monotonic()
        try:
            message, code = job(), Exit.OK
        except HactlError as error:
            message, code = str(error), error.exit_code
        self._console.done()
        stage = StepResult(name, code == Exit.OK, time.monotonic() - began, message, code)
        self.done.append(stage)
        self._screen.show(stage.lines())
        return stage.ok

    @property
    def exit_code(self) -> Exit:
        """That of the first stage that failed."""
        return next((stage.exit_code for stage in self.done if not stage.ok), Exit.OK)
