"""Shell scripts and lists of commands: which of Kafka's tools are run, with which options, in which environment.

Only what such scripts consist of is understood: words, quotes, continued lines, assignments. Nothing is expanded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from provision.core.errors import Position

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_BEFORE = {
    "exec",
    "nohup",
    "sudo",
    "env",
    "export",
    "then",
    "do",
    "else",
    "time",
    "if",
    "while",
    "until",
    "!",
    "{",
}
_SEPARATORS = set(";&|()")


@dataclass(frozen=True)
class Command:
    """One command: `name` without its folder, empty where a line only assigns; `words` are what follows it."""

    name: str
    words: tuple[str, ...]
    assigned: tuple[tuple[str, str], ...]
    position: Position

    def values(self, *options: str) -> tuple[str, ...]:
        """What the options are set to, each time they occur: `--topic t` and `--topic=t`."""
        found = []
        for word, after in zip(self.words, (*self.words[1:], ""), strict=False):
            name, equals, value = word.partition("=")
            if word in options:
                found.append(after)
            elif equals and name in options:
                found.append(value)
        return tuple(found)

    def has(self, option: str) -> bool:
        """Whether the option is given."""
        return any(word == option or word.startswith(f"{option}=") for word in self.words)

    @property
    def tool(self) -> str:
        """The name without `.sh`, as it is in Kafka's own bin folder."""
        return self.name.removesuffix(".sh")


@dataclass(frozen=True)
class ShellScript:
    """A file's commands in their order."""

    file: str
    commands: tuple[Command, ...]


def read(data: bytes, file: str) -> ShellScript:
    """The commands of a file named `file`."""
    return ShellScript(file, tuple(_commands(data.decode("utf-8", "replace"), file)))


def _commands(text: str, file: str) -> Iterator[Command]:
    for number, line in _joined(text):
        for words in _split(line):
            column = line.find(words[0]) + 1
            yield _command(words, Position(file, number, max(column, 1)))


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first."""
    number, started, line = 0, 0, ""
    for number, piece in enumerate(text.splitlines(), 1):
        started = started or number
        if piece.endswith("\\"):
            line += piece[:-1]
            continue
        yield started, line + piece
        started, line = 0, ""
    if line:
        yield started or number, line


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # a quote that goes on in the next line, as in a message of several lines
        tokens = line.split()
    words: list[str] = []
    for token in tokens:
        if set(token) <= _SEPARATORS:
            if words:
                yield words
            words = []
        else:
            words.append(token)
    if words:
        yield words


def _command(words: list[str], position: Position) -> Command:
    assigned = []
    for index, word in enumerate(words):
        if _ASSIGNMENT.match(word):
            name, _, value = word.partition("=")
            assigned.append((name, value))
        elif word not in _BEFORE:
            return Command(
                word.rsplit("/", 1)[-1], tuple(words[index + 1 :]), tuple(assigned), position
            )
    return Command("", (), tuple(assigned), position)
