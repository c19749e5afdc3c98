"""The groups and hosts of an inventory while it is read, before their variables are merged.

The rules are those that Ansible's behaviour shows:

- A group without a parent is a child of `all`.
- A host that is in no group but `all` is in `ungrouped`; any other host is not.
- The depth of a group is its longest path from `all`.
- If a variable is set twice, the later value counts.
- The port in a host's name counts only where the host is named first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from provision.core.errors import Position
from provision.inventory.source import Node


@dataclass
class GroupNode:
    """A group that is still being read."""

    name: str
    position: Position
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Position] = field(default_factory=dict)
    parents: dict[str, None] = field(default_factory=dict)
    vars: dict[str, Node] = field(default_factory=dict)
    priority: int = 1
    depth: int = 0


@dataclass
class HostNode:
    """A host that is still being read."""

    name: str
    position: Position
    groups: dict[str, None] = field(default_factory=dict)
    vars: dict[str, Node] = field(default_factory=dict)


class Tree:
    """All groups and hosts, in the order of their first mention."""

    def __init__(self, start: Position) -> None:
        self.groups = {name: GroupNode(name, start) for name in ("all", "ungrouped")}
        self.hosts: dict[str, HostNode] = {}
        self.add_child("all", "ungrouped", start)

    def group(self, name: str, position: Position) -> GroupNode:
        """The group with this name; a new name creates a group."""
        return self.groups.setdefault(name, GroupNode(name, position))

    def host(self, name: str, group: str, position: Position, port: Node | None) -> HostNode:
        """The host with this name, added to `group`; a new name creates a host."""
        if name not in self.hosts:
            self.hosts[name] = HostNode(
                name, position, vars={} if port is None else {"ansible_port": port}
            )
        host = self.hosts[name]
        host.groups[group] = None
        self.groups[group].hosts[name] = None
        return host

    def add_child(self, parent: str, child: str, position: Position) -> None:
        """Add a child to a group."""
        self.groups[parent].children.setdefault(child, position)
        self.groups[child].parents[parent] = None

    def cycle(self) -> list[str]:
        """The names in a cycle of groups, the first repeated at the end; empty without a cycle."""
        finished: set[str] = set()
        for start in self.groups:
            path: list[str] = []
            walks: list[Iterator[str]] = [iter((start,))]
            while walks:
                name = next(walks[-1], None)
                if name is None:
                    walks.pop()
                    if path:
                        finished.add(path.pop())
                elif name in path:
                    return [*path[path.index(name) :], name]
                elif name not in finished:
                    path.append(name)
                    walks.append(iter(self.groups[name].children))
        return []

    def complete(self) -> None:
        """Place all groups and hosts below `all` and set the depths. There must be no cycle."""
        for group in list(self.groups.values()):
            if group.name != "all" and not group.parents:
                self.add_child("all", group.name, group.position)
        ungrouped = self.groups["ungrouped"]
        for host in self.hosts.values():
            if host.groups.keys() - {"all", "ungrouped"}:
                ungrouped.hosts.pop(host.name, None)
                host.groups.pop("ungrouped", None)
            else:
                ungrouped.hosts[host.name] = None
                host.groups["ungrouped"] = None
        self._set_depths()

    def _set_depths(self) -> None:
        """Set the depth of every group: its longest path from `all`, in topological order."""
        missing_parents = {name: len(group.parents) for name, group in self.groups.items()}
        ready = ["all"]
        while ready:
            group = self.groups[ready.pop()]
            for name in group.children:
                child = self.groups[name]
                child.depth = max(child.depth, group.depth + 1)
                missing_parents[name] -= 1
                if not missing_parents[name]:
                    ready.append(name)

    def ancestry(self, host: HostNode) -> list[GroupNode]:
        """The groups of a host, weakest variables first; `all` is always the first."""
        names: set[str] = set()
        level = set(host.groups)
        while level:
            names |= level
            level = {parent for name in level for parent in self.groups[name].parents} - names
        groups = [self.groups[name] for name in names | {"all"}]
        return sorted(
            groups,
            key=lambda group: (group.name != "all", group.depth, group.priority, group.name),
        )
