"""Problems of text that is not YAML, in words that do not depend on the parser.

libyaml and PyYAML's parser name the same mistake differently, and libyaml does not name the
character that it found. This module therefore knows a mistake by both names, and reads the
character from the text.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, NamedTuple

import yaml
from yaml.reader import Reader, ReaderError

from provision.core.errors import Position, Problem
from provision.formats.bounded_json import MAX_DEPTH

TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
FLATTEN = "flatten it"


class TooDeep(yaml.MarkedYAMLError):
    """The text nests deeper than `MAX_DEPTH`; raised before the parser goes deeper."""


class _Mistake(NamedTuple):
    """A mistake: the parsers' names for it, the character there (empty: any), and our message.

    In `message`, `{character}` is the character there and `{word}` the word that begins there.
    """

    names: str
    character: str
    message: str
    fix: str


_END = "the end of the file"
_CLOSE = "close the quote or bracket"
_ALIGN = "align this line with the others of its block"
_MISTAKES = (
    _Mistake(
        "mapping values are not allowed",
        "",
        "a colon and a space are not allowed here",
        "quote the value if it holds a colon and a space, or correct the indentation",
    ),
    _Mistake(
        "cannot start any token",
        "",
        "found {character}, which no value can start with",
        "quote the value: it starts with a character that has a meaning in YAML",
    ),
    _Mistake(
        "expected ',' or '}'",
        "'['",
        "expected ',' or '}}', but found '['",
        'quote host names with ranges inside braces, as in {"web[1:2]": }',
    ),
    _Mistake("expected ',' or '}'", _END, "expected ',' or '}}', but found {character}", _CLOSE),
    _Mistake(
        "expected ',' or '}'",
        "",
        "expected ',' or '}}', but found {character}",
        "close the brace, or add the comma",
    ),
    _Mistake("expected ',' or ']'", _END, "expected ',' or ']', but found {character}", _CLOSE),
    _Mistake(
        "expected ',' or ']'",
        "",
        "expected ',' or ']', but found {character}",
        "close the bracket, or add the comma",
    ),
    _Mistake(
        "undefined alias",
        "",
        "no anchor is defined for {word}",
        "define the anchor with & before its first *",
    ),
    _Mistake(
        "second occurrence", "", "the anchor {word} is defined twice", "rename one of the two"
    ),
    _Mistake(
        "found another document",
        "",
        "a second document begins",
        "keep only one document in a file: remove the line `---`",
    ),
    _Mistake("end of stream", "", "found {character} inside quotes", _CLOSE),
    _Mistake(
        "expected (the )?node content", _END, "expected a value, but found {character}", _CLOSE
    ),
    _Mistake(
        "expected (the )?node content",
        "",
        "expected a value, but found {character}",
        "quote the value",
    ),
    _Mistake(
        "expected <block end>|expected key|expected '-'",
        "",
        "expected the next entry of the block, or its end",
        _ALIGN,
    ),
    _Mistake(
        "expected '?<document start>", "", "expected nothing behind the value of the file", _ALIGN
    ),
    _Mistake(
        "sequence entries are not allowed",
        "",
        "a list cannot begin here",
        "begin it in a line of its own, or quote the value",
    ),
    _Mistake(
        "unknown escape character",
        "",
        "double quotes give this backslash a meaning that YAML does not know",
        "write the text in single quotes, or the backslash twice",
    ),
    _Mistake(
        "expected comment or line break|expected chomping",
        "",
        "nothing may follow `|` or `>` in its line",
        "begin the text in the next line",
    ),
    _Mistake(
        "find expected ':'",
        "",
        "a line is neither `key: value` nor part of a text",
        "add the colon, or quote the text",
    ),
)
_INI = "if this is an INI inventory, convert it: `ansible-inventory -i {file} --list --yaml`"
_OTHER = "check indentation, quotes and brackets here and in the line before"


def problem(error: Any, text: str, file: str) -> Problem:
    """The problem for PyYAML's error."""
    if isinstance(error, ReaderError):
        return _character_problem(text, file)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Problem(
            Position(file), "yaml-syntax", str(error).split("\n", maxsplit=1)[0], fix="correct it"
        )
    lines = text.splitlines()
    place = Position(file, mark.line + 1, mark.column + 1)
    if mark.line >= len(lines):  # libyaml adds a line end to the last line
        place = place_behind(text, file)
    if isinstance(error, TooDeep) or "nesting depth" in str(error.problem):
        return Problem(place, "yaml-depth", TOO_DEEP, fix=FLATTEN)
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        place = replace(place, column=indent.index("\t") + 1)
        return Problem(
            place,
            "yaml-tab",
            "a tab indents this line",
            "YAML indents with spaces only",
            "use spaces",
        )
    message, fix = _explanation(error, line[place.column - 1 :], last=place.line >= len(lines))
    if text.lstrip().startswith("[") and not file.endswith(".json"):
        fix = _INI.format(file=file)
    return Problem(place, "yaml-syntax", message, _context_text(error), fix)


def place_behind(text: str, file: str) -> Position:
    """The position after the end of `text`."""
    line = text.count("\n")
    return Position(file, line + 1, len(text) - (text.rfind("\n") + 1) + 1)


def _character_problem(text: str, file: str) -> Problem:
    """The problem for a character that YAML does not allow.

    It is searched in the text, since some parsers count bytes and others characters.
    """
    match = Reader.NON_PRINTABLE.search(text)
    place = place_behind(text[: match.start()], file) if match else Position(file)
    message = f"character U+{ord(match[0]):04X} is not allowed" if match else "bad text"
    return Problem(
        place, "yaml-syntax", message, "YAML texts hold printable characters only", "remove it"
    )


def _explanation(error: Any, line_end: str, *, last: bool) -> tuple[str, str]:
    """The message and the remedy."""
    name = str(error.problem or error.context)
    character = repr(line_end[0]) if line_end else _END if last else "the end of the line"
    word = re.split(r"[\s,\[\]{}]", line_end, maxsplit=1)[0]
    for mistake in _MISTAKES:
        if re.search(mistake.names, name) and mistake.character in ("", character):
            return mistake.message.format(character=character, word=word), mistake.fix
    return name, _OTHER


def _context_text(error: Any) -> str:
    """The part of the text that the parser was in, unless that part begins at the mistake."""
    begin, place = error.context_mark, error.problem_mark
    if not error.context or begin is None or place is None:
        return ""
    if "first occurrence" in error.context:
        return f"first in line {begin.line + 1}"
    if not error.context.startswith("while ") or (begin.line, begin.column) == (
        place.line,
        place.column,
    ):
        return ""
    return f"{error.context} that begins in line {begin.line + 1}"
