"""Properties files (server.properties, producer.conf, zoo.cfg), by the rules of java.util.Properties.load and store.

Bytes are ISO-8859-1; what is outside it is written `\\uXXXX`. A line that ends with an odd number of backslashes goes
on in the next one, whose leading white space does not count. The key ends at the first `=`, `:` or white space that no
backslash precedes. Of two entries with one key the later one counts.
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
"""What a property may be set to: a list becomes one value with commas, true and false are written in lower case."""


@dataclass(frozen=True)
class Entry:
    """A key with its value, both unescaped; `line` is the whole logical line, unescaped."""

    key: Text
    value: Text
    line: Text

    @property
    def position(self) -> Position:
        """Where the key is written."""
        return self.key.position


@dataclass(frozen=True)
class Properties:
    """A file's entries in its order, overruled ones included."""

    file: str
    entries: tuple[Entry, ...]

    @cached_property
    def _last(self) -> dict[str, Entry]:
        return {entry.key.text: entry for entry in self.entries}

    def entry(self, key: str) -> Entry | None:
        """The entry that counts for `key`."""
        return self._last.get(key)

    def get(self, key: str, default: str = "") -> str:
        """The value of `key` as Kafka and ZooKeeper take it, without white space at its ends."""
        entry = self._last.get(key)
        return entry.value.trimmed().text if entry else default

    def plain(self) -> dict[str, str]:
        """What `java.util.Properties` holds after loading the file."""
        return {key: entry.value.text for key, entry in self._last.items()}


def read(data: bytes, file: str) -> Properties:
    """The entries of a file named `file`.

    Raises:
        InputError: a `\\u` without four hexadecimal digits, for which Java refuses the whole file.
    """
    return Properties(
        file, tuple(_entry(line) for line in _logical_lines(of(data.decode("latin-1"), file)))
    )


def _logical_lines(text: Text) -> Iterator[Text]:
    """Lines that are neither blank nor a comment, joined where they are continued; java.util.Properties.LineReader."""
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
        yield line  # a lone backslash at the end is an entry, but not before CR LF: so Java has it


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
    """Key and value of a logical line; java.util.Properties.load0."""
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
    """The text with its escapes resolved, each at the place of its backslash; two surrogates become one character."""
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
    """The character at `index` and the width of what stands for it."""
    char = text.text[index]
    if char != "\\":
        return char, 1
    after = text.text[index + 1 : index + 2]
    if after != "u":
        return ESCAPES.get(after, after), 2
    digits = text.text[index + 2 : index + 6]
    if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        what = "`\\u` without four hexadecimal digits; Java says: Malformed \\uxxxx encoding."
        fix = "write a backslash twice where one is meant"
        raise InputError(
            [Problem(text.at(index), "properties-escape", what, "the whole file is refused", fix)]
        )
    return chr(int(digits, 16)), 6


def write(settings: Mapping[str, Value]) -> bytes:
    """A file with these settings, one a line, in their order: what `read` and Java read back is the same.

    Raises:
        HactlError: an empty key, or a list with an item that a list in a property cannot hold.
    """
    lines = (
        f"{_written(_checked(key), key=True)}={_written(plain(value))}\n"
        for key, value in settings.items()
    )
    return "".join(lines).encode("ascii")


def plain(value: Value) -> str:
    """A value as the text that Kafka parses.

    Raises:
        HactlError: a list item with a comma, or with white space at an end, which Kafka would take off.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    for item in value:
        if "," in item or item != item.strip() or not item:
            raise HactlError(
                f"a list in a property cannot hold {item!r}",
                "no commas, no white space at its ends",
            )
    return ",".join(value)


def _checked(key: str) -> str:
    if not key:
        raise HactlError("a property needs a name")
    return key


def _written(text: str, *, key: bool = False) -> str:
    """Escaped as java.util.Properties.store does: a value's leading blank, a key's every special character."""
    out = []
    for index, char in enumerate(text):
        if char in _WRITTEN:
            out.append(_WRITTEN[char])
        elif (char == " " and (key or index == 0)) or (key and char in "=:#!"):
            out.append(f"\\{char}")
        elif " " <= char <= "~":
            out.append(char)
        else:
            units = char.encode("utf-16-be", "surrogatepass")
            out.extend(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    return "".join(out)
