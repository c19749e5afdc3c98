"""An inventory that was read: hosts, groups, and the merged variables of every host.

`Inventory.to_ansible` and `Inventory.host_to_ansible` return the JSON of `ansible-inventory --list`
and `--host`. An inventory that hactl reads can thus serve Ansible as a dynamic inventory.

Secrets differ: a value from `!vault`, `!env` or a vaulted file appears as ``********``. (Ansible
shows the ciphertext of a `!vault` value, but the plain text of all values in a vaulted file.) With
`reveal`, all of them appear in plain text; keep that output out of logs. As with Ansible, templates
in values are not rendered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from provision.core.errors import Position, UsageError
from provision.inventory.source import MASK, Node

RESERVED = frozenset(
    [
        "ansible_async_path",
        "ansible_collection_name",
        "ansible_config_file",
        "ansible_dependent_role_names",
        "ansible_diff_mode",
        "ansible_facts",
        "ansible_forks",
        "ansible_inventory_sources",
        "ansible_limit",
        "ansible_play_batch",
        "ansible_play_hosts",
        "ansible_play_hosts_all",
        "ansible_play_role_names",
        "ansible_playbook_python",
        "ansible_role_name",
        "ansible_role_names",
        "ansible_run_tags",
        "ansible_skip_tags",
        "ansible_verbosity",
        "ansible_version",
        "group_names",
        "groups",
        "hostvars",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "play_hosts",
        "playbook_dir",
        "role_name",
        "role_names",
        "role_path",
        "role_uuid",
    ]
)
"""Names with a special meaning for Ansible, which never prints inventory variables of these
names."""

PROFILE = "inventory_legacy"
"""Name of the encoding of inventory JSON in ansible-core 2.19 (`_meta.profile`)."""


@dataclass(frozen=True)
class Host:
    """A host with its variables merged by Ansible's precedence.

    `position` is the place of its first mention. `groups` are its groups, direct ones and their
    ancestors, in alphabetical order and without `all`: Ansible's `group_names`.
    """

    name: str
    position: Position
    vars: Mapping[str, Node]
    groups: tuple[str, ...]

    def var(self, name: str, default: Any = None) -> Any:
        """The plain value of a variable, or `default`."""
        node = self.vars.get(name)
        return default if node is None else node.plain()

    def node(self, name: str) -> Node:
        """The variable's node; a null at the host's place if the host does not have the
        variable."""
        return self.vars.get(name) or Node(None, self.position)


@dataclass(frozen=True)
class Group:
    """A group: its direct hosts in file order, its child groups, the variables set for it.

    `vars` are those of the inventory file, overridden by those of `group_vars/`. `depth` is the
    length of the longest path from `all`, `priority` its `ansible_group_priority`. The variables of
    a deeper group win, then those of a higher priority, then those of the alphabetically later
    name.
    """

    name: str
    position: Position
    hosts: tuple[str, ...]
    children: tuple[str, ...]
    vars: Mapping[str, Node]
    depth: int = 0
    priority: int = 1


@dataclass(frozen=True)
class Inventory:
    """A whole inventory, read and merged; hosts and groups in the order of their first mention."""

    path: Path
    hosts: Mapping[str, Host]
    groups: Mapping[str, Group]

    def members(self, group: str) -> tuple[str, ...]:
        """The names of the hosts in `group` and below it, without duplicates.

        Its direct hosts come first, in file order, then those of its children, level by level, as
        in Ansible's variable `groups`. Raises KeyError for an unknown group.
        """
        hosts: dict[str, None] = {}
        level = [group]
        visited = {group}
        while level:
            next_level: list[str] = []
            for name in level:
                hosts.update(dict.fromkeys(self.groups[name].hosts))
                children = [child for child in self.groups[name].children if child not in visited]
                visited.update(children)
                next_level.extend(children)
            level = next_level
        return tuple(hosts)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The secret values of the inventory, which all output masks."""
        nodes = (node for host in self.hosts.values() for node in host.vars.values())
        return frozenset(secret for node in nodes for secret in node.secrets())

    def to_ansible(self, *, reveal: bool = False) -> dict[str, Any]:
        """The output of `ansible-inventory --list`, ready for `json.dumps`.

        Secrets are masked unless `reveal` is set.
        """
        result: dict[str, Any] = {}
        for group in self.groups.values():
            direct = list(group.hosts) if group.name != "all" else []
            entry = {"hosts": direct, "children": list(group.children)}
            if any(entry.values()):
                result[group.name] = {key: names for key, names in entry.items() if names}
        variables = {
            name: self.host_to_ansible(name, reveal=reveal) for name in self.members("all")
        }
        result["_meta"] = {
            "hostvars": {name: entry for name, entry in variables.items() if entry},
            "profile": PROFILE,
        }
        return result

    def host_to_ansible(self, name: str, *, reveal: bool = False) -> dict[str, Any]:
        """The output of `ansible-inventory --host NAME`, ready for `json.dumps`.

        Secrets are masked unless `reveal` is set. Raises UsageError for an unknown host.
        """
        host = self.hosts.get(name)
        if host is None:
            near = get_close_matches(name, self.hosts, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else "`hactl inventory --list` shows all hosts"
            )
            raise UsageError(f"{self.path}: no host is named {name!r}", hint)
        return {
            key: _json_value(node, reveal) for key, node in host.vars.items() if key not in RESERVED
        }


def _json_value(node: Node, reveal: bool) -> Any:
    """A value in Ansible's JSON: dates as text, unsafe strings marked, keys as strings."""
    if isinstance(node.value, dict):
        return {_json_key(key): _json_value(part, reveal) for key, part in node.value.items()}
    if isinstance(node.value, list):
        return [_json_value(part, reveal) for part in node.value]
    if node.secret and not reveal:
        return MASK
    if isinstance(node.value, date):
        return node.value.isoformat()
    if node.unsafe and isinstance(node.value, str):
        return {"__ansible_unsafe": node.value}
    return node.value


def _json_key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return key.isoformat() if isinstance(key, date) else json.dumps(key)
