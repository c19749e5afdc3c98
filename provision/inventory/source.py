"""Placeholder replaced by the inventory work: YAML values that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provision.errors import Position


@dataclass(frozen=True)
class Node:
    """A YAML value with the place it was written at.

    `value` is a scalar (str, int, float, bool, None, date), a `dict[str, Node]` or a `list[Node]`.
    `secret` is true for what came from `!vault` or `!env`: it is masked wherever it is shown.
    """

    value: Any
    position: Position
    secret: bool = False

    def plain(self) -> Any:
        """The value as ordinary Python data, positions dropped."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, *path: str | int) -> Node:
        """The deepest node on `path` that exists, to give an error the best place."""
        node = self
        for step in path:
            value = node.value
            if isinstance(value, dict) and step in value:
                node = value[step]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                node = value[step]
            else:
                return node
        return node

    def secrets(self) -> Iterator[str]:
        """Every secret string below this node."""
        if isinstance(self.value, dict):
            for node in self.value.values():
                yield from node.secrets()
        elif isinstance(self.value, list):
            for node in self.value:
                yield from node.secrets()
        elif self.secret and self.value not in (None, ""):
            yield str(self.value)
