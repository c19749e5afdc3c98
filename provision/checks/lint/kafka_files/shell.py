"""Shell scripts and lists of commands: which tools they run, with options and environment.

The reader understands words, quotes, continued lines and assignments. It expands nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from provision.core.errors import Position

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PREFIXES = {
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
"""Words that may come before a command."""

_SEPARATORS = set(";&|()")


@dataclass(frozen=True)
class Command:
    """A command of a script.

    `name` is without its folder; it is empty if the line only assigns. `words` follow the name.
    """

    name: str
    words: tuple[str, ...]
    assigned: tuple[tuple[str, str], ...]
    position: Position

    def values(self, *options: str) -> tuple[str, ...]:
        """Return the values of all occurrences of options: `--topic t` and `--topic=t`."""
        values = []
        for word, next_word in zip(self.words, (*self.words[1:], ""), strict=False):
            name, equals, value = word.partition("=")
            if word in options:
                values.append(next_word)
            elif equals and name in options:
                values.append(value)
        return tuple(values)

    def has(self, option: str) -> bool:
        """Whether the command has the option."""
        return any(word == option or word.startswith(f"{option}=") for word in self.words)

    @property
    def tool(self) -> str:
        """The name without `.sh`."""
        return self.name.removesuffix(".sh")


@dataclass(frozen=True)
class ShellScript:
    """A file's commands in their order."""

    file: str
    commands: tuple[Command, ...]


def read(data: bytes, file: str) -> ShellScript:
    """Return the commands of the file named `file`."""
    return ShellScript(file, tuple(_commands(data.decode("utf-8", "replace"), file)))


def _commands(text: str, file: str) -> Iterator[Command]:
    for number, line in _logical_lines(text):
        for words in _split_commands(line):
            column = line.find(words[0]) + 1
            yield _parse_command(words, Position(file, number, max(column, 1)))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their continuation lines joined, and the number of the first line."""
    number, first, line = 0, 0, ""
    for number, piece in enumerate(text.splitlines(), 1):
        first = first or number
        if piece.endswith("\\"):
            line += piece[:-1]
            continue
        yield first, line + piece
        first, line = 0, ""
    if line:
        yield first or number, line


def _split_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:  # the quote ends in a later line, as in a message of several lines
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


def _parse_command(words: list[str], position: Position) -> Command:
    assigned = []
    for index, word in enumerate(words):
        if _ASSIGNMENT.match(word):
            name, _, value = word.partition("=")
            assigned.append((name, value))
        elif word not in _PREFIXES:
            arguments = tuple(words[index + 1 :])
            return Command(word.rsplit("/", 1)[-1], arguments, tuple(assigned), position)
    return Command("", (), tuple(assigned), position)
