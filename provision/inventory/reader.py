"""Read an inventory: Ansible's YAML format, with every problem found at its place.

`read_inventory` is what the rest of hactl calls. It reads what `ansible-inventory` reads and comes to the same
hosts, groups and variables; where Ansible only warns and goes on, it refuses: an unknown key in a group, a group
that is not a mapping, a name that is both a host and a group, an empty range. Hosts, groups, variables and the
files beside the inventory are described in `patterns`, `tree` and `variables`; the values in `document`.

Rules: `inventory-empty`, `inventory-shape`, `inventory-unknown-field`, `inventory-group-name`,
`inventory-host-pattern`, `inventory-cycle`, `inventory-ungrouped`, `inventory-name-clash`, `inventory-priority`,
`inventory-plugin`, `inventory-vars`, `inventory-variable-name`, `inventory-vars-folder`, and those of `document`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from provision.core.errors import InputError, Position
from provision.inventory.document import Reader
from provision.inventory.hosts import Inventory
from provision.inventory.patterns import PatternError, expand
from provision.inventory.source import Node
from provision.inventory.tree import GroupNode, Tree
from provision.inventory.variables import as_vars, kind, merge

SECTIONS = ("hosts", "children", "vars")


def read_inventory(path: Path) -> Inventory:
    """The inventory in the YAML or JSON file `path`, with `group_vars/` and `host_vars/` beside it.

    The environment gives `!env` values and the vault password. Raises InputError with every problem found.
    """
    reader = Reader(os.environ)
    start = Position(str(path))
    tree = Tree(start)
    node = reader.read(path)
    if node is None or node.value is None:
        if not reader.problems:
            reader.complain(
                start, "inventory-empty", "the file holds no inventory", fix="write at least `all:`"
            )
        raise InputError(reader.problems)
    _Outline(tree, reader).read(node)
    cycle = tree.cycle()
    if cycle:
        place = tree.groups[cycle[0]].children[cycle[1]]
        what = f"groups contain each other: {' > '.join(cycle)}"
        reader.complain(
            place, "inventory-cycle", what, fix="take one of them out of the other's children"
        )
        raise InputError(reader.problems)
    tree.settle()
    hosts, groups = merge(tree, reader, path.parent)
    if reader.problems:
        raise InputError(reader.problems)
    return Inventory(path, hosts, groups)


class _Outline:
    """Walks the groups of the file into a tree."""

    def __init__(self, tree: Tree, reader: Reader) -> None:
        self.tree = tree
        self.complain = reader.complain
        self.reader = reader

    def read(self, node: Node) -> None:
        """The whole file: a mapping of group names to groups."""
        if not isinstance(node.value, dict):
            what = f"an inventory is a mapping of groups, this is {kind(node.value)}"
            self.complain(
                node.position,
                "inventory-shape",
                what,
                fix="start with `all:` and put `hosts:` below it",
            )
        elif "plugin" in node.value and isinstance(node.value["plugin"].value, str):
            what, fix = (
                "this configures an inventory plugin",
                "run `ansible-inventory --list --yaml --export` on it",
            )
            self.complain(
                node.key_position("plugin"),
                "inventory-plugin",
                what,
                "only Ansible can run it",
                fix,
            )
        else:
            for name, part in node.value.items():
                self.group(name, part, node.key_position(name))
            self.clashes()

    def group(self, name: Any, node: Node, place: Position) -> str | None:
        """One group and all below it; its name, or None when it cannot have this one."""
        if not isinstance(name, str) or not name:
            what = f"{name!r} is {kind(name) if name != '' else 'empty'} and cannot name a group"
            self.complain(
                place,
                "inventory-group-name",
                what,
                fix="quote it" if name != "" else "give it a name",
            )
            return None
        branch = self.tree.group(name, place)
        if node.value is None:
            return name
        if not isinstance(node.value, dict):
            what = f"group {name!r} is a mapping of hosts, children and vars; here it is {kind(node.value)}"
            fix = f"write `{name}:`, below it `hosts:`, below that one `NAME:` a line"
            self.complain(node.position, "inventory-shape", what, fix=fix)
            return name
        for field in node.value:
            if field not in SECTIONS:
                self.unknown(field, node.key_position(field), branch)
        self.sections(branch, node)
        return name

    def sections(self, branch: GroupNode, node: Node) -> None:
        """The three parts of a group, in the order they are written: a later variable wins."""
        for section, part in node.value.items():
            if section == "vars":
                self.vars(branch, part)
            elif section == "children":
                for child, inner, place in self.entries(branch, section, part):
                    self.child(branch, child, inner, place)
            elif section == "hosts":
                for pattern, inner, place in self.entries(branch, section, part):
                    self.hosts(branch, pattern, inner, place)

    def unknown(self, field: Any, place: Position, branch: GroupNode) -> None:
        near = get_close_matches(str(field), SECTIONS, n=1, cutoff=0.5)
        what = f"unknown field {field!r} in group {branch.name!r}"
        nearest = f"nearest known one: {near[0]}" if near else f"known are {', '.join(SECTIONS)}"
        fix = f"{nearest}; a group of this name goes below `children:`, a variable below `vars:`"
        self.complain(place, "inventory-unknown-field", what, fix=fix)

    def entries(
        self, branch: GroupNode, section: str, node: Node
    ) -> Iterator[tuple[Any, Node, Position]]:
        """Key, value and place of each entry of `hosts` or `children`; a string stands for one entry without value."""
        if isinstance(node.value, dict):
            for key, part in node.value.items():
                yield key, part, node.key_position(key)
        elif isinstance(node.value, str):
            yield node.value, Node(None, node.position), node.position
        elif node.value is not None:
            what = (
                f"`{section}` of group {branch.name!r} is a mapping, here it is {kind(node.value)}"
            )
            fix = (
                "write one `NAME:` a line, without a dash"
                if isinstance(node.value, list)
                else "write `NAME:` lines"
            )
            self.complain(node.position, "inventory-shape", what, fix=fix)

    def vars(self, branch: GroupNode, node: Node) -> None:
        """The group's variables; `ansible_group_priority` is none of them but sets its rank."""
        if node.value is None:
            return
        found = as_vars(node, self.reader)
        priority = found.pop("ansible_group_priority", None)
        branch.vars.update(found)
        if priority is None:
            return
        try:
            branch.priority = int(priority.value)
        except (TypeError, ValueError):
            what = f"ansible_group_priority of group {branch.name!r} is a whole number"
            self.complain(
                priority.position,
                "inventory-priority",
                what,
                fix="write a number, 1 is the default",
            )

    def child(self, parent: GroupNode, name: Any, node: Node, place: Position) -> None:
        """One child group and all below it."""
        if name == "all":
            what = f"`all` cannot be a child of group {parent.name!r}: it holds every group"
            self.complain(
                place,
                "inventory-cycle",
                what,
                fix="put what is below it at the top level of the file",
            )
            return
        if name == "ungrouped" and parent.name != "all":
            what = f"`ungrouped` cannot be a child of group {parent.name!r}"
            why = "it holds the hosts that are in no group, and Ansible drops them here"
            self.complain(
                place, "inventory-ungrouped", what, why, "put its hosts into a group of their own"
            )
            return
        if parent.name == "ungrouped":
            what = "`ungrouped` cannot have children: it holds the hosts that are in no group"
            self.complain(
                place, "inventory-ungrouped", what, fix="move them to the children of `all`"
            )
            return
        child = self.group(name, node, place)
        if child is not None:
            self.tree.add_child(parent.name, child, place)

    def hosts(self, branch: GroupNode, pattern: Any, node: Node, place: Position) -> None:
        """All hosts one key stands for, each with the variables below it."""
        if not isinstance(pattern, str) or not pattern:
            what = f"{pattern!r} is {kind(pattern) if pattern != '' else 'empty'} and cannot name a host"
            self.complain(
                place,
                "inventory-host-pattern",
                what,
                fix="quote it" if pattern != "" else "give it a name",
            )
            return
        try:
            names, port = expand(pattern)
        except PatternError as error:
            what, fix = (
                f"host pattern {pattern!r}: {error}",
                "write ranges as web[1:3], web[01:10] or web[a:c]",
            )
            self.complain(place, "inventory-host-pattern", what, fix=fix)
            return
        found = {} if node.value is None else as_vars(node, self.reader)
        for name in names:
            leaf = self.tree.host(name, branch.name, place, Node(port, place) if port else None)
            leaf.vars.update(found)

    def clashes(self) -> None:
        """A name that is both a host and a group: Ansible would give the host's variables to the group."""
        for name in self.tree.hosts.keys() & self.tree.groups.keys():
            leaf = self.tree.hosts[name]
            first = self.tree.groups[name].position
            what = f"{name!r} names a host here and a group in line {first.line}"
            self.complain(leaf.position, "inventory-name-clash", what, fix="rename one of them")
