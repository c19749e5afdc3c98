"""JSON text as nodes with positions.

Ansible tries every inventory and variables file as JSON before YAML, whatever its name, and the two differ:
`1e3` is a number in JSON and a string in YAML 1.1, and JSON knows ``\\/`` and surrogate pairs. Of a key given twice
JSON keeps the last, and so do we. Like Ansible, a mapping ``{"__ansible_unsafe": TEXT}`` is an unsafe string.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Any

from provision.errors import Position
from provision.inventory.source import Node

MAX_DEPTH = 100
_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_SPACE = re.compile(r"[ \t\n\r]*")


def parse(text: str, file: str) -> Node | None:
    """The tree of a JSON object or list, None when `text` is no JSON or nests too deep (YAML will tell which)."""
    if text.lstrip(" \t\n\r")[:1] not in ("{", "["):
        return None
    try:
        json.loads(text)
        return _Walk(text, file).value()
    except (ValueError, RecursionError):
        return None


class _Walk:
    """Walks over a text that is known to be valid JSON."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.index = 0
        self.depth = 0
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self) -> Position:
        line = bisect_right(self.lines, self.index)
        return Position(self.file, line, self.index - self.lines[line - 1] + 1)

    def skip(self, characters: int = 0) -> str:
        """Step over `characters` and white space; the next character."""
        match = _SPACE.match(self.text, self.index + characters)
        self.index = match.end() if match else self.index
        return self.text[self.index : self.index + 1]

    def value(self) -> Node:
        first, place = self.skip(), self.place()
        if first not in ("{", "["):
            return Node(self.scalar(), place)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RecursionError
        node = self.mapping(place) if first == "{" else Node(self.items(), place)
        self.depth -= 1
        return node

    def mapping(self, place: Position) -> Node:
        values: dict[Any, Node] = {}
        keys: dict[Any, Position] = {}
        mark = self.skip(1)
        while mark != "}":
            at = self.place()
            key = self.scalar()
            self.skip()
            self.skip(1)
            values[key], keys[key] = self.value(), at
            mark = self.skip(1) if self.skip() == "," else "}"
        self.index += 1
        unsafe = values.get("__ansible_unsafe")
        if unsafe is not None and len(values) == 1 and isinstance(unsafe.value, str):
            return Node(unsafe.value, place, unsafe=True)
        return Node(values, place, keys=keys)

    def items(self) -> list[Node]:
        found: list[Node] = []
        mark = self.skip(1)
        while mark != "]":
            found.append(self.value())
            mark = self.skip(1) if self.skip() == "," else "]"
        self.index += 1
        return found

    def scalar(self) -> Any:
        value, self.index = _scan(self.text, self.index)
        return value
