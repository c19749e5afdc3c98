"""Text on a terminal: coloured lines of at most 80 columns, questions, and JSON documents.

Colours are shown on a terminal only, and never if NO_COLOR is set (no-color.org).
"""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from provision.core.errors import UsageError, plain

WIDTH = 80
"""Columns of a line."""

GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"
"""SGR codes (ECMA-48 §8.3.117)."""

SIGNS = {"create": "+", "update": "~", "remove": "-"}
"""The sign of a change."""

COLOURS = {"create": GREEN, "update": YELLOW, "remove": RED, "+": GREEN, "-": RED, "@": DIM}
"""The colour of a change, and of a line of a diff by its first character."""

Line = tuple[str, str]
"""A line and its colour: an SGR code, or empty."""


def wrapped(text: str, colour: str = "", *, first: str = "", rest: str = "") -> Iterator[Line]:
    """The text in lines of at most 80 columns, indented by `first`, from the second line by `rest`.

    A word that is longer than a line is cut; words are never split at a hyphen. An empty text
    has no line, unless `first` is more than blanks.
    """
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    if not lines and first.strip():
        lines = [first.rstrip()]
    yield from ((line, colour) for line in lines)


def shortened(text: str, width: int = WIDTH) -> str:
    """The text on one line of at most `width` columns; an ellipsis shows that it was cut."""
    line = text.replace("\t", " ")
    return line if len(line) <= width else f"{line[: width - 1]}…"


class Screen:
    """Prints coloured lines on a stream, by default standard output."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._colour = shows_colour(self._stream)

    def show(self, lines: Iterable[Line]) -> None:
        """Print lines."""
        for line, colour in lines:
            text = plain(line)
            shown = f"\x1b[{colour}m{text}\x1b[0m" if colour and self._colour else text
            self._stream.write(f"{shown}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Clear the screen; does nothing if the stream is not a terminal."""
        if self._stream.isatty():
            self._stream.write("\x1b[H\x1b[2J")


def shows_colour(stream: TextIO) -> bool:
    """Whether lines on this stream are coloured."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def confirm(question: str = "Apply these changes?") -> bool:
    """Ask the operator on standard error; true if the answer is yes.

    Raises:
        UsageError: standard input is not a terminal, so nobody can answer.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "nobody to ask, since input is not a terminal; nothing was changed", "pass --yes"
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    sys.stdout.write(plain(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
