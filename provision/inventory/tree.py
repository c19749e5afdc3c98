"""The groups of an inventory while it is being read: who contains whom, and what each was given.

Ansible's rules, as it behaves: every group without a parent is a child of `all`; every host in no group but
`all` is in `ungrouped`, and one in another group is not; a group's depth is its longest way down from `all`; a
variable given twice keeps the later value; a port in a host's name counts where the host is first named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from provision.core.errors import Position
from provision.inventory.source import Node


@dataclass
class GroupNode:
    """A group being filled."""

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
    """A host being filled."""

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
        """The group of this name, made if it is new."""
        return self.groups.setdefault(name, GroupNode(name, position))

    def host(self, name: str, group: str, position: Position, port: Node | None) -> HostNode:
        """The host of this name in `group`, made if it is new."""
        if name not in self.hosts:
            self.hosts[name] = HostNode(
                name, position, vars={} if port is None else {"ansible_port": port}
            )
        leaf = self.hosts[name]
        leaf.groups[group] = None
        self.groups[group].hosts[name] = None
        return leaf

    def add_child(self, parent: str, child: str, position: Position) -> None:
        """Put one group into another."""
        self.groups[parent].children.setdefault(child, position)
        self.groups[child].parents[parent] = None

    def cycle(self) -> list[str]:
        """The names along one cycle of groups, its first repeated at the end; empty when there is none."""
        done: set[str] = set()
        for start in self.groups:
            path: list[str] = []
            walks: list[Iterator[str]] = [iter((start,))]
            while walks:
                name = next(walks[-1], None)
                if name is None:
                    walks.pop()
                    if path:
                        done.add(path.pop())
                elif name in path:
                    return [*path[path.index(name) :], name]
                elif name not in done:
                    path.append(name)
                    walks.append(iter(self.groups[name].children))
        return []

    def settle(self) -> None:
        """Give every group and host its place below `all`, and every group its depth. Needs a tree without cycles."""
        for branch in list(self.groups.values()):
            if branch.name != "all" and not branch.parents:
                self.add_child("all", branch.name, branch.position)
        ungrouped = self.groups["ungrouped"]
        for leaf in self.hosts.values():
            if leaf.groups.keys() - {"all", "ungrouped"}:
                ungrouped.hosts.pop(leaf.name, None)
                leaf.groups.pop("ungrouped", None)
            else:
                ungrouped.hosts[leaf.name] = None
                leaf.groups["ungrouped"] = None
        self._measure()

    def _measure(self) -> None:
        """Longest way from `all` to each group: in topological order, every child is one deeper than its parents."""
        waiting = {name: len(branch.parents) for name, branch in self.groups.items()}
        ready = ["all"]
        while ready:
            branch = self.groups[ready.pop()]
            for name in branch.children:
                child = self.groups[name]
                child.depth = max(child.depth, branch.depth + 1)
                waiting[name] -= 1
                if not waiting[name]:
                    ready.append(name)

    def ancestry(self, leaf: HostNode) -> list[GroupNode]:
        """Every group the host is in, weakest variables first; `all` is always the first."""
        found: set[str] = set()
        level = set(leaf.groups)
        while level:
            found |= level
            level = {parent for name in level for parent in self.groups[name].parents} - found
        branches = [self.groups[name] for name in found | {"all"}]
        return sorted(
            branches,
            key=lambda branch: (branch.name != "all", branch.depth, branch.priority, branch.name),
        )
