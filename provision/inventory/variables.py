"""`group_vars/` and `host_vars/` beside the inventory file, and the order in which variables override each other.

From weakest to strongest: variables of `all` in the inventory file; those of the other groups, by depth,
priority and name; `group_vars/all`; `group_vars/GROUP` in the same order; the host's in the inventory file;
`host_vars/HOST`. A stronger value replaces a weaker one whole; mappings are not merged. Source: "Understanding
variable precedence" in Ansible's user guide, and what `ansible-inventory` prints. Folders beside a playbook,
which Ansible reads too, do not exist for us.

For a name the first of these that exists is read: the name itself, `.yml`, `.yaml`, `.json`. It may be a
folder: then every file in it and below counts, in alphabetical order, hidden files and backups (`~`) left out.
`ansible_group_priority` sorts groups only where the inventory file itself sets it.
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
    """One folder of variables files: `group_vars` or `host_vars`. Each name is read once."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self.reader = reader
        self.exists = path.is_dir()
        if path.exists() and not self.exists:
            what, fix = (
                f"{path.name} is not a directory",
                f"move it to {path.name}/all.yml, or rename it",
            )
            reader.complain(Position(str(path)), "inventory-vars-folder", what, fix=fix)

    def vars(self, name: str) -> Vars:
        """The variables that the files for `name` give; later files override earlier ones."""
        found: Vars = {}
        if self.exists and not name.startswith("/"):
            for file in self.files(name):
                found.update(read_vars(file, self.reader))
        return found

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
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir():
            found.extend(_files_below(path) if not path.suffix else [])
        elif path.suffix in EXTENSIONS:
            found.append(path)
    return found


def read_vars(path: Path, reader: Reader) -> Vars:
    """The variables in one file, none from an empty one; problems are noted at the reader."""
    node = reader.read(path)
    if node is None or node.value is None:
        return {}
    return as_vars(node, reader)


def as_vars(node: Node, reader: Reader) -> Vars:
    """The variables a mapping gives, after noting what cannot be one."""
    if not isinstance(node.value, dict):
        what = f"variables are a mapping of names to values, this is {kind(node.value)}"
        reader.complain(node.position, "inventory-vars", what, fix="write `name: value` lines")
        return {}
    found: Vars = {}
    for name, value in node.value.items():
        if isinstance(name, str):
            found[name] = value
        else:
            what = f"{name!r} is {kind(name)} and cannot name a variable"
            fix = "rename it: a letter first, then letters, digits and underscores"
            reader.complain(node.key_position(name), "inventory-variable-name", what, fix=fix)
    return found


def kind(value: object) -> str:
    """What a YAML value is, in an operator's words."""
    names = {
        dict: "a mapping",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "empty",
    }
    return names.get(type(value), "a number" if isinstance(value, int | float) else "a date")


def merge(tree: Tree, reader: Reader, base: Path) -> tuple[dict[str, Host], dict[str, Group]]:
    """Hosts with their merged variables and groups with their own, from a settled tree and the folders in `base`."""
    group_files = Folder(base / "group_vars", reader)
    host_files = Folder(base / "host_vars", reader)
    from_files = {name: group_files.vars(name) for name in tree.groups}
    layers: dict[tuple[str, ...], tuple[tuple[str, ...], Vars]] = {}
    hosts: dict[str, Host] = {}
    for leaf in tree.hosts.values():
        key = tuple(leaf.groups)
        if key not in layers:
            layers[key] = _group_layer(tree.ancestry(leaf), from_files)
        hosts[leaf.name] = _host(leaf, *layers[key], host_files.vars(leaf.name))
    groups = {
        branch.name: _group(branch, from_files[branch.name]) for branch in tree.groups.values()
    }
    return hosts, groups


def _group_layer(
    branches: list[GroupNode], from_files: dict[str, Vars]
) -> tuple[tuple[str, ...], Vars]:
    """The names (without `all`) and merged variables of a host's groups, given weakest first."""
    merged: Vars = {}
    for branch in branches:
        merged.update(branch.vars)
    for branch in branches:
        merged.update(from_files[branch.name])
    return tuple(sorted(branch.name for branch in branches if branch.name != "all")), merged


def _host(leaf: HostNode, groups: tuple[str, ...], layer: Vars, from_files: Vars) -> Host:
    return Host(leaf.name, leaf.position, {**layer, **leaf.vars, **from_files}, groups)


def _group(branch: GroupNode, from_files: Vars) -> Group:
    return Group(
        name=branch.name,
        position=branch.position,
        hosts=tuple(branch.hosts),
        children=tuple(branch.children),
        vars={**branch.vars, **from_files},
        depth=branch.depth,
        priority=branch.priority,
    )
