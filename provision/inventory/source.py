"""A value from the operator's files that knows where it was written.

Everything hactl reads becomes a tree of `Node`: the plain value, its `Position`, and whether it is a secret.
Later stages use the plain value to work with, the position to complain about it, and the mark to keep it out
of logs, diffs and reports. Nodes are values: nothing changes one after it was made, and an anchored YAML
value is the same node wherever an alias repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provision.core.errors import Position

MASK = "********"
"""What stands in place of a secret wherever it is shown."""


@dataclass(frozen=True)
class Node:
    """A value with the place it was written at.

    `value` is a scalar (str, int, float, bool, None, date, datetime), a `dict[str, Node]` or a `list[Node]`.
    Keys of nested mappings may also be int, float, bool, None or date, as YAML has it.
    `secret` is true for what came from `!vault`, `!env`, a vaulted file, or a template that used one of them:
    it is masked wherever it is shown. `unsafe` is true for what must never be taken for a template (`!unsafe`,
    `!env`). `keys` gives the place of each key of a mapping. Two nodes are equal when value and marks are.
    """

    value: Any
    position: Position = field(compare=False)
    secret: bool = False
    unsafe: bool = False
    keys: Mapping[Any, Position] = field(default_factory=dict, compare=False, repr=False)

    def plain(self) -> Any:
        """The value as ordinary Python data, positions dropped."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def masked(self) -> Any:
        """The value as ordinary Python data with every secret scalar replaced by `MASK`."""
        if isinstance(self.value, dict):
            return {key: node.masked() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.masked() for node in self.value]
        return MASK if self.secret else self.value

    def at(self, *path: str | int) -> Node:
        """The deepest node on `path` that exists, to give an error the best place."""
        node = self
        for step in path:
            if isinstance(node.value, list):
                inside = isinstance(step, int) and 0 <= step < len(node.value)
            else:
                inside = isinstance(node.value, dict) and step in node.value
            if not inside:
                break
            node = node.value[step]
        return node

    def key_position(self, key: Any) -> Position:
        """Where `key` of this mapping is written; this node's own place when that is not known."""
        return self.keys.get(key, self.position)

    def secrets(self) -> Iterator[str]:
        """Every secret string below this node (numbers and booleans as `str` writes them)."""
        if isinstance(self.value, dict):
            for node in self.value.values():
                yield from node.secrets()
        elif isinstance(self.value, list):
            for node in self.value:
                yield from node.secrets()
        elif self.secret and self.value not in (None, ""):
            yield str(self.value)

    def as_secret(self) -> Node:
        """The same node with every scalar below it marked secret."""
        if isinstance(self.value, dict):
            inner: Any = {key: node.as_secret() for key, node in self.value.items()}
        elif isinstance(self.value, list):
            inner = [node.as_secret() for node in self.value]
        else:
            inner = self.value
        return replace(self, value=inner, secret=True)

    @classmethod
    def of(cls, data: Any, position: Position, *, secret: bool = False) -> Node:
        """A tree of nodes for ordinary Python data, all at one place; the inverse of `plain`."""
        if isinstance(data, Mapping):
            inner: Any = {
                key: cls.of(value, position, secret=secret) for key, value in data.items()
            }
        elif isinstance(data, list | tuple):
            inner = [cls.of(value, position, secret=secret) for value in data]
        else:
            inner = data
        return cls(inner, position, secret)
