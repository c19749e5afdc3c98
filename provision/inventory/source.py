"""Values from the operator's files, with their places.

hactl reads every file into a tree of `Node`: the plain value, its `Position`, and whether it is a
secret. Later stages work with the value, report problems at the position, and keep secrets out of
logs, diffs and reports. Nothing changes a node after its creation. The aliases of an anchored YAML
value share a single node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provision.core.errors import Position

MASK = "********"
"""The text that replaces a secret in all output."""


@dataclass(frozen=True)
class Node:
    """A value and its place in a file.

    `value` is a scalar (str, int, float, bool, None, date, datetime), a `dict[str, Node]` or a
    `list[Node]`. Keys of nested mappings may also be int, float, bool, None or date, as in YAML.
    `secret` marks a value from `!vault`, `!env`, a vaulted file, or a template that used a secret;
    all output masks it. `unsafe` marks a value that must never be rendered as a template
    (`!unsafe`, `!env`). `keys` has the place of every key of a mapping. Two nodes are equal if
    their values and marks are equal.
    """

    value: Any
    position: Position = field(compare=False)
    secret: bool = False
    unsafe: bool = False
    keys: Mapping[Any, Position] = field(default_factory=dict, compare=False, repr=False)

    def plain(self) -> Any:
        """The value as ordinary Python data, without positions."""
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
        """The deepest existing node on `path`, which gives an error the best place."""
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
        """The place of `key` in this mapping, or the mapping's place if it is not known."""
        return self.keys.get(key, self.position)

    def secrets(self) -> Iterator[str]:
        """The secret strings below this node; numbers and booleans as `str` writes them."""
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
            value: Any = {key: node.as_secret() for key, node in self.value.items()}
        elif isinstance(self.value, list):
            value = [node.as_secret() for node in self.value]
        else:
            value = self.value
        return replace(self, value=value, secret=True)

    @classmethod
    def of(cls, data: Any, position: Position, *, secret: bool = False) -> Node:
        """A tree of nodes for ordinary Python data, all at one place; the inverse of `plain`."""
        if isinstance(data, Mapping):
            content: Any = {
                key: cls.of(value, position, secret=secret) for key, value in data.items()
            }
        elif isinstance(data, list | tuple):
            content = [cls.of(value, position, secret=secret) for value in data]
        else:
            content = data
        return cls(content, position, secret)
