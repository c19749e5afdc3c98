"""Lists and mappings of an inventory as templates see them: a value is rendered on its first use.

Rendering late has two effects. A value may refer to its neighbours
(``{port: 80, url: "…:{{ x.port }}"}``), and only a template that really uses a secret becomes a
secret. The built-in base classes store nulls only: code that bypasses the methods here sees nulls,
never a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex

from provision.inventory.source import Node

Opener = Callable[[Node], Any]
"""Converts a node for a template: a scalar to its value, a collection to a class below."""


class LazyDict(dict[Any, Any]):
    """A mapping of nodes."""

    def __init__(self, node: Node, opener: Opener) -> None:
        super().__init__(dict.fromkeys(node.value))
        self._node = node
        self._opener = opener

    def __getitem__(self, key: Any) -> Any:
        return self._opener(self._node.value[key])

    def get(self, key: Any, default: Any = None) -> Any:
        node = self._node.value.get(key)
        return default if node is None else self._opener(node)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._node.value)

    def items(self) -> Any:
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        return [self[key] for key in self]

    def copy(self) -> dict[Any, Any]:
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        return self.copy() == (other.copy() if isinstance(other, LazyDict) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.copy() | dict(other)

    def __ror__(self, other: Any) -> Any:
        return dict(other) | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())


class LazyList(list[Any]):
    """A list of nodes."""

    def __init__(self, node: Node, opener: Opener) -> None:
        super().__init__([None] * len(node.value))
        self._node = node
        self._opener = opener

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._opener(node) for node in self._node.value[index]]
        return self._opener(self._node.value[index])

    def __iter__(self) -> Iterator[Any]:
        return (self._opener(node) for node in self._node.value)

    def __reversed__(self) -> Iterator[Any]:
        return (self._opener(node) for node in reversed(self._node.value))

    def copy(self) -> list[Any]:
        return [*iter(self)]

    def __contains__(self, item: object) -> bool:
        return item in self.copy()

    def __eq__(self, other: object) -> bool:
        return self.copy() == (other.copy() if isinstance(other, LazyList) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: list[Any]) -> bool:
        return self.copy() < list(other)

    def __gt__(self, other: list[Any]) -> bool:
        return self.copy() > list(other)

    __hash__ = None

    def __add__(self, other: Any) -> Any:
        return self.copy() + list(other)

    def __radd__(self, other: Any) -> Any:
        return list(other) + self.copy()

    def __mul__(self, times: SupportsIndex) -> list[Any]:
        return self.copy() * times

    def index(self, *arguments: Any) -> int:
        return self.copy().index(*arguments)

    def count(self, item: Any) -> int:
        return self.copy().count(item)

    def __repr__(self) -> str:
        return repr(self.copy())


def resolved(value: object) -> Node | None:
    """The node of a lazy collection, None for any other value."""
    return value._node if isinstance(value, LazyDict | LazyList) else None
