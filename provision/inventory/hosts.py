"""Placeholder replaced by the inventory work: hosts, groups and their merged variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.errors import Position
from provision.inventory.source import Node


@dataclass(frozen=True)
class Host:
    """A host with its variables merged by Ansible's precedence."""

    name: str
    position: Position
    vars: Mapping[str, Node]
    groups: tuple[str, ...]

    def var(self, name: str, default: Any = None) -> Any:
        """The plain value of a variable, or `default`."""
        node = self.vars.get(name)
        return default if node is None else node.plain()


@dataclass(frozen=True)
class Group:
    """A group: its own hosts in file order, its child groups, its own variables."""

    name: str
    position: Position
    hosts: tuple[str, ...]
    children: tuple[str, ...]
    vars: Mapping[str, Node]


@dataclass(frozen=True)
class Inventory:
    """A whole inventory, read and merged."""

    path: Path
    hosts: Mapping[str, Host]
    groups: Mapping[str, Group]

    def members(self, group: str) -> tuple[str, ...]:
        """The names of the hosts in `group` and below it, in file order, each once."""
        raise NotImplementedError
