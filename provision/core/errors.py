"""The errors that reach the operator, and the exit codes.

The hierarchy with the exit codes::

    HactlError                 1   something failed
    ├── InputError             3   the input is wrong; has one or more Problems
    ├── HostError              1   a host failed; has the host's name
    │   ├── Unreachable        4   hactl cannot connect or log in to a host
    │   └── Locked             5   another run holds the host's lock
    ├── LabError               1   the lab cannot be started, stopped or used
    └── UsageError            64   wrong usage of the command line

Every message says what is wrong, why it matters and what to do. No error ends in a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

# C0 without tab and newline, DEL, C1, and Unicode's line separators and bidirectional controls,
# which reorder or hide text on a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """The text with visible escapes in place of control characters, safe for a terminal."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


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
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """A mistake in the input: its position, the broken rule, what is wrong, why, and the fix."""

    position: Position
    rule: str
    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        parts = [part for part in (self.what, self.why, self.fix) if part]
        return f"{self.position}: {self.rule}: " + "; ".join(parts)


class HactlError(Exception):
    """The base of all expected failures; `hint` tells the operator how to fix it."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def line(self) -> str:
        """Message and hint on one line, for a table or a report."""
        return " ".join("; ".join(part for part in (self.message, self.hint) if part).split())


class InputError(HactlError):
    """The operator's files are wrong. No host was changed."""

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
    """The host does not answer, refuses the login, or has another host key than the known one."""

    exit_code = Exit.UNREACHABLE


class Locked(HostError):
    """Another run of hactl holds the host's lock."""

    exit_code = Exit.LOCKED


class LabError(HactlError):
    """The lab cannot be started, stopped or used."""


class UsageError(HactlError):
    """The command line asks for something that does not exist."""

    exit_code = Exit.USAGE
