"""The reader of JSON text: from text to nodes with positions.

Ansible tries every inventory and variables file as JSON before YAML, whatever its name. The two
formats differ: `1e3` is a number in JSON and a string in YAML 1.1, and only JSON has ``\\/`` and
surrogate pairs. If a key occurs twice, the last one counts, as in JSON. As in Ansible, a mapping
``{"__ansible_unsafe": TEXT}`` is an unsafe string.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from provision.core.errors import Position
from provision.formats.bounded_json import MAX_DEPTH
from provision.inventory.source import Node

_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE = re.compile(r"[ \t\n\r]*")


def parse(text: str, file: str) -> Node | None:
    """The tree of a JSON object or list. None if `text` is not JSON, or nests too deep.

    The caller then reads it as YAML, which reports the problem.
    """
    if text.lstrip(" \t\n\r")[:1] not in ("{", "["):
        return None
    try:
        return _Parser(text, file).document()
    except (ValueError, StopIteration):
        return None


class _Parser:
    """Parses a text once. Raises ValueError or StopIteration unless it is JSON of limited depth."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.index = 0
        self.depth = 0
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> Node:
        """The only value of the text."""
        node = self.value()
        if self.skip():
            raise ValueError("more than one value")
        return node

    def place(self) -> Position:
        line = bisect_right(self.lines, self.index)
        return Position(self.file, line, self.index - self.lines[line - 1] + 1)

    def skip(self, characters: int = 0) -> str:
        """Skip `characters` and white space; returns the next character, empty at the end."""
        match = _SPACE.match(self.text, self.index + characters)
        self.index = match.end() if match else self.index
        return self.text[self.index : self.index + 1]

    def value(self) -> Node:
        first, place = self.skip(), self.place()
        if first not in ("{", "["):
            return Node(self.scalar(), place)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        node = self.mapping(place) if first == "{" else Node(self.items(), place)
        self.depth -= 1
        return node

    def mapping(self, place: Position) -> Node:
        values: dict[Any, Node] = {}
        keys: dict[Any, Position] = {}
        mark = self.skip(1)
        while mark != "}":
            if mark != '"':
                raise ValueError("a key is not a string")
            position = self.place()
            key = self.scalar()
            if self.skip() != ":":
                raise ValueError("no colon behind a key")
            self.skip(1)
            values[key], keys[key] = self.value(), position
            mark = self.next_part("}")
        self.index += 1
        unsafe = values.get("__ansible_unsafe")
        if unsafe is not None and len(values) == 1 and isinstance(unsafe.value, str):
            return Node(unsafe.value, place, unsafe=True)
        return Node(values, place, keys=keys)

    def items(self) -> list[Node]:
        nodes: list[Node] = []
        mark = self.skip(1)
        while mark != "]":
            nodes.append(self.value())
            mark = self.next_part("]")
        self.index += 1
        return nodes

    def next_part(self, end: str) -> str:
        """Skip the comma behind a part; returns the next character, `end` only without a comma."""
        mark = self.skip()
        if mark == end:
            return end
        if mark != "," or (mark := self.skip(1)) == end:
            raise ValueError("no comma between two parts, or one too many")
        return mark

    def scalar(self) -> Any:
        value, self.index = _scan(self.text, self.index)
        return value
