"""Properties files (server.properties, producer.conf, zoo.cfg) as java.util.Properties reads them.

The rules are those of `load` and `store`. Bytes are ISO-8859-1; other characters are written
`\\uXXXX`. A line that ends with an odd number of backslashes continues in the next line, without
that line's leading white space. The key ends at the first `=`, `:` or white space without a
backslash before it. Of two entries with the same key, the later entry counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from provision.core.errors import HactlError, InputError, Position, Problem
from provision.formats.text import Text, of

BLANK = " \t\f"
ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "f": "\f"}
_WRITTEN = {"\t": "\\t", "\r": "\\r", "\n": "\\n", "\f": "\\f", "\\": "\\\\"}

Value = str | int | float | bool | Sequence[str]
"""A property's value: a list is written with commas, true and false in lower case."""


@dataclass(frozen=True)
class Entry:
    """A key and its value, unescaped; `line` is the whole logical line, unescaped."""

    key: Text
    value: Text
    line: Text

    @property
    def position(self) -> Position:
        """The position of the key."""
        return self.key.position


@dataclass(frozen=True)
class Properties:
    """A file's entries in file order, overruled entries included."""

    file: str
    entries: tuple[Entry, ...]

    @cached_property
    def _last(self) -> dict[str, Entry]:
        return {entry.key.text: entry for entry in self.entries}

    def entry(self, key: str) -> Entry | None:
        """The effective entry of `key`: the last."""
        return self._last.get(key)

    def get(self, key: str, default: str = "") -> str:
        """The value of `key` as Kafka and ZooKeeper use it, without white space at its ends."""
        entry = self._last.get(key)
        return entry.value.trimmed().text if entry else default

    def plain(self) -> dict[str, str]:
        """The contents of `java.util.Properties` after it has loaded the file."""
        return {key: entry.value.text for key, entry in self._last.items()}


def read(data: bytes, file: str) -> Properties:
    """The entries of a file named `file`.

    Raises:
        InputError: a `\\u` without four hexadecimal digits; Java then refuses the whole file.
    """
    return Properties(
        file, tuple(_entry(line) for line in _logical_lines(of(data.decode("latin-1"), file)))
    )


def _logical_lines(text: Text) -> Iterator[Text]:
    """Lines without blank lines and comments, continued lines joined (Properties.LineReader)."""
    line: Text | None = None
    for natural in _natural_lines(text):
        bare = natural.part(len(natural.text) - len(natural.text.lstrip(BLANK)))
        if not (line and line.text) and (not bare.text or bare.text[0] in "#!"):
            line = None
            continue
        line = line + bare if line else bare
        if (len(line.text) - len(line.text.rstrip("\\"))) % 2:
            line = line.part(0, len(line.text) - 1)
        else:
            yield line
            line = None
    if line is not None and (line.text or not text.text.endswith("\r\n")):
        yield line  # for Java a lone backslash at the end is an entry, but not before CR LF


def _natural_lines(text: Text) -> Iterator[Text]:
    start = index = 0
    while index < len(text.text):
        if text.text[index] in "\r\n":
            yield text.part(start, index)
            index += 2 if text.text[index : index + 2] == "\r\n" else 1
            start = index
        else:
            index += 1
    if start < index:
        yield text.part(start, index)


def _entry(line: Text) -> Entry:
    """Key and value of a logical line (java.util.Properties.load0)."""
    text, end, escaped = line.text, 0, False
    while end < len(text) and (escaped or text[end] not in "=:" + BLANK):
        escaped = text[end] == "\\" and not escaped
        end += 1
    start, separated = end, False
    while start < len(text) and (text[start] in BLANK or (not separated and text[start] in "=:")):
        separated = separated or text[start] in "=:"
        start += 1
    return Entry(_unescaped(line.part(0, end)), _unescaped(line.part(start)), _unescaped(line))


def _unescaped(text: Text) -> Text:
    """The text without escapes; a character is at its backslash's place, surrogates are joined."""
    chars: list[str] = []
    places = []
    index = 0
    while index < len(text.text):
        char, width = _char(text, index)
        if chars and "\ud800" <= chars[-1] <= "\udbff" and "\udc00" <= char <= "\udfff":
            chars[-1] = chr(0x10000 + (ord(chars[-1]) - 0xD800) * 0x400 + ord(char) - 0xDC00)
        else:
            chars.append(char)
            places.append(text.places[index])
        index += width
    return Text("".join(chars), tuple(places), text.end, text.file)


def _char(text: Text, index: int) -> tuple[str, int]:
    """The character at `index`, and the width of its notation in the file."""
    char = text.text[index]
    if char != "\\":
        return char, 1
    after = text.text[index + 1 : index + 2]
    if after != "u":
        return ESCAPES.get(after, after), 2
    digits = text.text[index + 2 : index + 6]
    if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        message = "`\\u` without four hexadecimal digits; Java says: Malformed \\uxxxx encoding."
        reason, fix = "Java refuses the whole file", "write `\\\\` for a backslash"
        raise InputError([Problem(text.at(index), "properties-escape", message, reason, fix)])
    return chr(int(digits, 16)), 6


def write(settings: Mapping[str, Value]) -> bytes:
    """A file with a line for each setting, in order; `read` and Java read the same values back.

    Raises:
        HactlError: a key is empty, or a list item cannot be written in a property.
    """
    lines = (
        f"{_written(_checked(key), key=True)}={_written(plain(value))}\n"
        for key, value in settings.items()
    )
    return "".join(lines).encode("ascii")


def plain(value: Value) -> str:
    """The text of a value, as Kafka parses it.

    Raises:
        HactlError: a list item has a comma, or white space at its ends, which Kafka would strip.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    for item in value:
        if "," in item or item != item.strip() or not item:
            raise HactlError(
                f"a list in a property cannot hold {item!r}",
                "remove commas and the white space at its ends",
            )
    return ",".join(value)


def _checked(key: str) -> str:
    if not key:
        raise HactlError("a property needs a name")
    return key


def _written(text: str, *, key: bool = False) -> str:
    """The text escaped as by Properties.store; a key needs more escapes than a value."""
    parts = []
    for index, char in enumerate(text):
        if char in _WRITTEN:
            parts.append(_WRITTEN[char])
        elif (char == " " and (key or index == 0)) or (key and char in "=:#!"):
            parts.append(f"\\{char}")
        elif " " <= char <= "~":
            parts.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass")
            parts.extend(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    return "".join(parts)
