"""The reader of an inventory: Ansible's YAML format, with every problem at its place.

The rest of hactl calls `read_inventory`. It accepts the files that `ansible-inventory` accepts, and
finds the same hosts, groups and variables. It refuses some files at which Ansible only warns: an
unknown key in a group, a group that is not a mapping, a name of both a host and a group, an empty
range. `patterns`, `tree` and `variables` describe hosts, groups, variables and the files beside the
inventory; `document` describes values.

Rules: `inventory-empty`, `inventory-shape`, `inventory-unknown-field`, `inventory-group-name`,
`inventory-host-pattern`, `inventory-cycle`, `inventory-ungrouped`, `inventory-name-clash`,
`inventory-priority`, `inventory-plugin`, `inventory-vars`, `inventory-variable-name`,
`inventory-vars-folder`, and those of `document`.
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

    `!env` values and the vault password come from the environment. Raises InputError with every
    problem.
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
    _GroupParser(tree, reader).read(node)
    cycle = tree.cycle()
    if cycle:
        place = tree.groups[cycle[0]].children[cycle[1]]
        message = f"groups contain each other: {' > '.join(cycle)}"
        reader.complain(
            place, "inventory-cycle", message, fix="take one of them out of the other's children"
        )
        raise InputError(reader.problems)
    tree.complete()
    hosts, groups = merge(tree, reader, path.parent)
    if reader.problems:
        raise InputError(reader.problems)
    return Inventory(path, hosts, groups)


class _GroupParser:
    """Adds the groups of the file to a tree."""

    def __init__(self, tree: Tree, reader: Reader) -> None:
        self.tree = tree
        self.complain = reader.complain
        self.reader = reader

    def read(self, node: Node) -> None:
        """Add the whole file: a mapping of group names to groups."""
        if not isinstance(node.value, dict):
            message = f"an inventory is a mapping of groups, this is {kind(node.value)}"
            self.complain(
                node.position,
                "inventory-shape",
                message,
                fix="start with `all:` and put `hosts:` below it",
            )
        elif "plugin" in node.value and isinstance(node.value["plugin"].value, str):
            self.complain(
                node.key_position("plugin"),
                "inventory-plugin",
                "this configures an inventory plugin",
                "only Ansible can run it",
                "run `ansible-inventory --list --yaml --export` on it",
            )
        else:
            for name, part in node.value.items():
                self.group(name, part, node.key_position(name))
            self.note_clashes()

    def group(self, name: Any, node: Node, place: Position) -> str | None:
        """Add a group and everything below it. Returns its name, None if it is not allowed."""
        if not isinstance(name, str) or not name:
            message = f"{name!r} is {kind(name) if name != '' else 'empty'} and cannot name a group"
            self.complain(
                place,
                "inventory-group-name",
                message,
                fix="quote it" if name != "" else "give it a name",
            )
            return None
        group = self.tree.group(name, place)
        if node.value is None:
            return name
        if not isinstance(node.value, dict):
            shape = kind(node.value)
            message = f"group {name!r} is a mapping of hosts, children and vars; here it is {shape}"
            fix = f"write `{name}:`, below it `hosts:`, below that a line `NAME:` for every host"
            self.complain(node.position, "inventory-shape", message, fix=fix)
            return name
        for field in node.value:
            if field not in SECTIONS:
                self.note_unknown_field(field, node.key_position(field), group)
        self.sections(group, node)
        return name

    def sections(self, group: GroupNode, node: Node) -> None:
        """Add the parts of a group in the order of the file, since a later variable wins."""
        for section, part in node.value.items():
            if section == "vars":
                self.vars(group, part)
            elif section == "children":
                for child, inner, place in self.entries(group, section, part):
                    self.child(group, child, inner, place)
            elif section == "hosts":
                for pattern, inner, place in self.entries(group, section, part):
                    self.hosts(group, pattern, inner, place)

    def note_unknown_field(self, field: Any, place: Position, group: GroupNode) -> None:
        matches = get_close_matches(str(field), SECTIONS, n=1, cutoff=0.5)
        message = f"unknown field {field!r} in group {group.name!r}"
        known = f"use one of {', '.join(SECTIONS)}"
        if matches:
            known = f"the nearest known one is `{matches[0]}`"
        fix = f"{known}; a group of this name goes below `children:`, a variable below `vars:`"
        self.complain(place, "inventory-unknown-field", message, fix=fix)

    def entries(
        self, group: GroupNode, section: str, node: Node
    ) -> Iterator[tuple[Any, Node, Position]]:
        """Key, value and place of the entries of `hosts` or `children`.

        A string stands for a single entry without a value.
        """
        if isinstance(node.value, dict):
            for key, part in node.value.items():
                yield key, part, node.key_position(key)
        elif isinstance(node.value, str):
            yield node.value, Node(None, node.position), node.position
        elif node.value is not None:
            message = (
                f"`{section}` of group {group.name!r} is a mapping, here it is {kind(node.value)}"
            )
            fix = (
                "write a line `NAME:` for every entry, without a dash"
                if isinstance(node.value, list)
                else "write `NAME:` lines"
            )
            self.complain(node.position, "inventory-shape", message, fix=fix)

    def vars(self, group: GroupNode, node: Node) -> None:
        """Add the group's variables; `ansible_group_priority` sets its rank instead."""
        if node.value is None:
            return
        variables = as_vars(node, self.reader)
        priority = variables.pop("ansible_group_priority", None)
        group.vars.update(variables)
        if priority is None:
            return
        try:
            group.priority = int(priority.value)
        except (TypeError, ValueError):
            message = f"ansible_group_priority of group {group.name!r} must be a whole number"
            self.complain(
                priority.position,
                "inventory-priority",
                message,
                fix="write a number, 1 is the default",
            )

    def child(self, parent: GroupNode, name: Any, node: Node, place: Position) -> None:
        """Add a child group and everything below it."""
        if name == "all":
            message = f"`all` cannot be a child of group {parent.name!r}: it holds every group"
            self.complain(
                place,
                "inventory-cycle",
                message,
                fix="move its contents to the top level of the file",
            )
            return
        if name == "ungrouped" and parent.name != "all":
            message = f"`ungrouped` cannot be a child of group {parent.name!r}"
            why = "it holds the hosts that are in no group, and Ansible drops them here"
            self.complain(
                place, "inventory-ungrouped", message, why, "put its hosts into another group"
            )
            return
        if parent.name == "ungrouped":
            message = "`ungrouped` cannot have children: it holds the hosts that are in no group"
            self.complain(
                place, "inventory-ungrouped", message, fix="move them to the children of `all`"
            )
            return
        child = self.group(name, node, place)
        if child is not None:
            self.tree.add_child(parent.name, child, place)

    def hosts(self, group: GroupNode, pattern: Any, node: Node, place: Position) -> None:
        """Add all hosts of a pattern, with the variables below it."""
        if not isinstance(pattern, str) or not pattern:
            shape = kind(pattern) if pattern != "" else "empty"
            message = f"{pattern!r} is {shape} and cannot name a host"
            self.complain(
                place,
                "inventory-host-pattern",
                message,
                fix="quote it" if pattern != "" else "give it a name",
            )
            return
        try:
            names, port = expand(pattern)
        except PatternError as error:
            message = f"host pattern {pattern!r}: {error}"
            fix = "write ranges as web[1:3], web[01:10] or web[a:c]"
            self.complain(place, "inventory-host-pattern", message, fix=fix)
            return
        variables = {} if node.value is None else as_vars(node, self.reader)
        for name in names:
            host = self.tree.host(name, group.name, place, Node(port, place) if port else None)
            host.vars.update(variables)

    def note_clashes(self) -> None:
        """Note names of both a host and a group.

        Ansible would give the host's variables to the group.
        """
        for name in self.tree.hosts.keys() & self.tree.groups.keys():
            host = self.tree.hosts[name]
            first = self.tree.groups[name].position
            message = f"{name!r} names a host here and a group in line {first.line}"
            self.complain(host.position, "inventory-name-clash", message, fix="rename one of them")
