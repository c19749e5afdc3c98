"""Tokens as java.io.StreamTokenizer makes them, for the two JAAS parsers.

Three rules of it cause most broken JAAS configurations. A word that begins with a digit, `-` or `.`
starts with a number. A `/` outside quotes starts a comment. A quoted text ends at the end of the
line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provision.core.errors import Position
from provision.formats.text import Text

WORD, QUOTED, NUMBER, END = "word", "quoted", "number", "end"
_DIGITS = "0123456789"
_ESCAPES = {"a": "\x07", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Token:
    """A token: `kind` is WORD, QUOTED, NUMBER or END, else the character itself.

    `text` is Java's `sval`: None for numbers and single characters. `quote` is the quote character
    of a quoted text. `start` and `stop` are indices. `line` counts the line ends outside comments,
    from 1.
    """

    kind: str
    text: str | None
    position: Position
    start: int
    stop: int
    line: int
    quote: str = ""

    @property
    def shown(self) -> str:
        """The text as Java's messages show it."""
        return "null" if self.text is None else self.text


def tokens(source: Text, extra: str) -> Iterator[Token]:
    """All tokens, then END for ever; the characters in `extra` are letters of words too."""
    text, index, line = source.text, 0, 1
    while index < len(text):
        char = text[index]
        if char <= " ":
            line += char == "\n" or (char == "\r" and text[index + 1 : index + 2] != "\n")
            index += 1
        elif char == "/":
            index = _comment_end(text, index)
        else:
            kind, content, stop = _token(text, index, extra)
            quote = char if kind == QUOTED else ""
            yield Token(kind, content, source.at(index), index, stop, line, quote)
            index = stop
    while True:
        yield Token(END, None, source.at(len(text)), len(text), len(text), line)


def _comment_end(text: str, start: int) -> int:
    """The index after a comment; by StreamTokenizer's default a lone `/` starts a comment too."""
    if text.startswith("/*", start):
        end = text.find("*/", start + 2)
        return len(text) if end < 0 else end + 2
    # Java consumes the character after a lone `/`, even a line end, before it looks for an end.
    return next(
        (index for index in range(start + 2, len(text)) if text[index] in "\r\n"), len(text)
    )


def _token(text: str, start: int, extra: str) -> tuple[str, str | None, int]:
    char = text[start]
    follower = text[start + 1 : start + 2]
    if char in _DIGITS + "." or (char == "-" and follower and follower in _DIGITS + "."):
        return NUMBER, None, _number_end(text, start)
    if _begins_word(char, extra):
        stop = start
        while stop < len(text) and (
            _begins_word(text[stop], extra) or text[stop] in _DIGITS + ".-"
        ):
            stop += 1
        return WORD, text[start:stop], stop
    if char in "\"'":
        content, stop = _quoted(text, start)
        return QUOTED, content, stop
    return char, None, start + 1


def _begins_word(char: str, extra: str) -> bool:
    if char == "-":
        return False
    return ("a" <= char <= "z") or ("A" <= char <= "Z") or ord(char) >= 160 or char in extra


def _number_end(text: str, start: int) -> int:
    stop, dotted = start + (text[start] == "-"), False
    while stop < len(text) and (text[stop] in _DIGITS or (text[stop] == "." and not dotted)):
        dotted = dotted or text[stop] == "."
        stop += 1
    return stop


def _quoted(text: str, start: int) -> tuple[str, int]:
    chars, index = [], start + 1
    while index < len(text) and text[index] not in text[start] + "\r\n":
        if text[index] == "\\":
            char, index = _escape(text, index + 1)
            chars.append(char)
        else:
            chars.append(text[index])
            index += 1
    return "".join(chars), index + (index < len(text) and text[index] == text[start])


def _escape(text: str, index: int) -> tuple[str, int]:
    """The character of an escape (in octal up to `\\377`), and the index after the escape."""
    if index >= len(text):
        return "\uffff", index  # Java casts -1 to char
    stop, max_digits = index, 3 if text[index] <= "3" else 2
    while stop < len(text) and stop - index < max_digits and text[stop] in "01234567":
        stop += 1
    if stop > index:
        return chr(int(text[index:stop], 8)), stop
    return _ESCAPES.get(text[index], text[index]), index + 1
