"""Everything that can go wrong and how it reaches the operator.

The hierarchy, with the exit code of each::

    HactlError                 1   something failed
    ├── InputError             3   the input is wrong; carries one Problem or more
    ├── HostError              1   a host failed; carries its name
    │   ├── Unreachable        4   a host cannot be reached or logged in to
    │   └── Locked             5   another run holds the host
    ├── LabError               1   the lab cannot do what was asked
    └── UsageError            64   wrong usage of the command line

Every error says what is wrong, why it matters and what to do about it. None ends in a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# C0 but tab and newline, DEL, C1, and what turns or hides text on a terminal (Unicode's bidirectional controls).
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """`text` fit for a terminal: control characters, which a host or a file may have put there, in visible form."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    CHANGES = 2
    INPUT = 3
    UNREACHABLE = 4
    LOCKED = 5
    USAGE = 64
    INTERRUPTED = 130


@dataclass(frozen=True, order=True)
class Position:
    """A place in a file; line and column count from 1, as editors do."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One mistake in the input: where it is, which rule it breaks, what, why and what to do."""

    position: Position
    rule: str
    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        parts = [part for part in (self.what, self.why, self.fix) if part]
        return f"{self.position}: {self.rule}: " + "; ".join(parts)


class HactlError(Exception):
    """The base of all expected failures; `hint` is what the operator can do."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def line(self) -> str:
        """The same on one line, for a table or a report."""
        return " ".join("; ".join(part for part in (self.message, self.hint) if part).split())


class InputError(HactlError):
    """The operator's files are wrong. Nothing was changed on any host."""

    exit_code = Exit.INPUT

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class HostError(HactlError):
    """One host failed."""

    def __init__(self, host: str, message: str, hint: str = "") -> None:
        super().__init__(f"{host}: {message}", hint)
        self.host = host


class Unreachable(HostError):
    """The host cannot be connected to, logged in to, or its key is not the known one."""

    exit_code = Exit.UNREACHABLE


class Locked(HostError):
    """Another run of hactl holds the host's lock."""

    exit_code = Exit.LOCKED


class LabError(HactlError):
    """The lab cannot be brought up, taken down or used."""


class UsageError(HactlError):
    """The command line asks for something that does not exist."""

    exit_code = Exit.USAGE
