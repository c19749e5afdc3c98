"""`group_vars/` and `host_vars/` beside the inventory file, and the precedence of all variables.

From weakest to strongest:

1. variables of `all` in the inventory file;
2. those of the other groups there, by depth, priority and name;
3. `group_vars/all`;
4. `group_vars/GROUP`, in the same order as 2;
5. the host's variables in the inventory file;
6. `host_vars/HOST`.

A stronger value replaces a weaker value whole; mappings are not merged. Source: "Understanding
variable precedence" in Ansible's user guide, and the output of `ansible-inventory`. Ansible also
reads such folders beside a playbook; hactl has no playbooks.

The first existing path for a name is read: the name itself, then with `.yml`, `.yaml`, `.json`. If
it is a folder, all files below it count, in alphabetical order, without hidden files and backups
(`~`). `ansible_group_priority` sorts groups only if the inventory file itself sets it.
"""

from __future__ import annotations

from pathlib import Path

from provision.core.errors import Position
from provision.inventory.document import Reader
from provision.inventory.hosts import Group, Host
from provision.inventory.source import Node
from provision.inventory.tree import GroupNode, HostNode, Tree

EXTENSIONS = ("", ".yml", ".yaml", ".json")
Vars = dict[str, Node]


class Folder:
    """A folder of variables files: `group_vars` or `host_vars`."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self.reader = reader
        self.exists = path.is_dir()
        if path.exists() and not self.exists:
            message, fix = (
                f"{path.name} is not a directory",
                f"move it to {path.name}/all.yml, or rename it",
            )
            reader.complain(Position(str(path)), "inventory-vars-folder", message, fix=fix)

    def vars(self, name: str) -> Vars:
        """The variables in the files for `name`; later files override earlier ones."""
        variables: Vars = {}
        if self.exists and not name.startswith("/"):
            for file in self.files(name):
                variables.update(read_vars(file, self.reader))
        return variables

    def files(self, name: str) -> list[Path]:
        """The files that hold the variables for `name`."""
        for extension in EXTENSIONS:
            path = self.path / f"{name}{extension}"
            if path.is_dir():
                return _files_below(path)
            if path.exists():
                return [path]
        return []


def _files_below(folder: Path) -> list[Path]:
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir():
            files.extend(_files_below(path) if not path.suffix else [])
        elif path.suffix in EXTENSIONS:
            files.append(path)
    return files


def read_vars(path: Path, reader: Reader) -> Vars:
    """The variables in a file, none from an empty file. The reader notes problems."""
    node = reader.read(path)
    if node is None or node.value is None:
        return {}
    return as_vars(node, reader)


def as_vars(node: Node, reader: Reader) -> Vars:
    """The variables in a mapping. The reader notes problems."""
    if not isinstance(node.value, dict):
        message = f"variables are a mapping of names to values, this is {kind(node.value)}"
        reader.complain(node.position, "inventory-vars", message, fix="write `name: value` lines")
        return {}
    variables: Vars = {}
    for name, value in node.value.items():
        if isinstance(name, str):
            variables[name] = value
        else:
            message = f"{name!r} is {kind(name)} and cannot name a variable"
            fix = "rename it: a letter first, then letters, digits and underscores"
            reader.complain(node.key_position(name), "inventory-variable-name", message, fix=fix)
    return variables


def kind(value: object) -> str:
    """The operator's word for the type of a YAML value."""
    names = {
        dict: "a mapping",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "empty",
    }
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a date")


def merge(tree: Tree, reader: Reader, base: Path) -> tuple[dict[str, Host], dict[str, Group]]:
    """Hosts with merged variables, and groups with the variables set for them.

    `tree` is complete; `base` is the folder that holds `group_vars` and `host_vars`.
    """
    group_files = Folder(base / "group_vars", reader)
    host_files = Folder(base / "host_vars", reader)
    from_files = {name: group_files.vars(name) for name in tree.groups}
    layers: dict[tuple[str, ...], tuple[tuple[str, ...], Vars]] = {}
    hosts: dict[str, Host] = {}
    for host in tree.hosts.values():
        key = tuple(host.groups)
        if key not in layers:
            layers[key] = _group_layer(tree.ancestry(host), from_files)
        hosts[host.name] = _host(host, *layers[key], host_files.vars(host.name))
    groups = {group.name: _group(group, from_files[group.name]) for group in tree.groups.values()}
    return hosts, groups


def _group_layer(
    groups: list[GroupNode], from_files: dict[str, Vars]
) -> tuple[tuple[str, ...], Vars]:
    """The names (without `all`) and merged variables of groups, which are given weakest first."""
    merged: Vars = {}
    for group in groups:
        merged.update(group.vars)
    for group in groups:
        merged.update(from_files[group.name])
    return tuple(sorted(group.name for group in groups if group.name != "all")), merged


def _host(host: HostNode, groups: tuple[str, ...], layer: Vars, from_files: Vars) -> Host:
    return Host(host.name, host.position, {**layer, **host.vars, **from_files}, groups)


def _group(group: GroupNode, from_files: Vars) -> Group:
    return Group(
        name=group.name,
        position=group.position,
        hosts=tuple(group.hosts),
        children=tuple(group.children),
        vars={**group.vars, **from_files},
        depth=group.depth,
        priority=group.priority,
    )
