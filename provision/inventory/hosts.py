"""An inventory once it is read: hosts, groups, and every host's merged variables.

`Inventory.to_ansible` and `Inventory.host_to_ansible` give the JSON that `ansible-inventory --list` and `--host`
print, so that an inventory read by hactl can serve Ansible as a dynamic one. Secrets are the exception: a value
from `!vault`, `!env` or a vaulted file shows as ``********`` unless `reveal` is set. (Ansible shows the
ciphertext of a `!vault` value, but the plain text of everything in a vaulted file.) With `reveal`, the plain text
of all of them is shown, so keep that output away from logs. Values are not templated, as Ansible does not either.
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
"""Names that Ansible gives a meaning of its own; it never prints an inventory's variables of these names."""

PROFILE = "inventory_legacy"
"""How ansible-core 2.19 names the encoding of its inventory JSON, in `_meta.profile`."""


@dataclass(frozen=True)
class Host:
    """A host with its variables merged by Ansible's precedence.

    `position` is where it is first named. `groups` are all groups it is in, directly or through a child, without
    `all`, in alphabetical order: what Ansible calls `group_names`.
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
        """The variable's node; a null at the host's own place when there is none."""
        return self.vars.get(name) or Node(None, self.position)


@dataclass(frozen=True)
class Group:
    """A group: its own hosts in file order, its child groups, its own variables.

    `vars` are those of the inventory file overridden by those of `group_vars/`. `depth` is the longest way down
    from `all`, `priority` its `ansible_group_priority`: a deeper group's variables win, then those of higher
    priority, then those of the name later in the alphabet.
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
    """A whole inventory, read and merged. Hosts and groups are in the order of their first mention."""

    path: Path
    hosts: Mapping[str, Host]
    groups: Mapping[str, Group]

    def members(self, group: str) -> tuple[str, ...]:
        """The names of the hosts in `group` and below it, each once: its own in file order, then its children's.

        Children come level by level, as Ansible's `groups` variable has them. Raises KeyError for an unknown group.
        """
        found: dict[str, None] = {}
        level = [group]
        seen = {group}
        while level:
            below: list[str] = []
            for name in level:
                found.update(dict.fromkeys(self.groups[name].hosts))
                fresh = [child for child in self.groups[name].children if child not in seen]
                seen.update(fresh)
                below.extend(fresh)
            level = below
        return tuple(found)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """Every secret value of the inventory: masked wherever text is shown."""
        nodes = (node for host in self.hosts.values() for node in host.vars.values())
        return frozenset(secret for node in nodes for secret in node.secrets())

    def to_ansible(self, *, reveal: bool = False) -> dict[str, Any]:
        """What `ansible-inventory --list` prints, secrets masked unless `reveal`. Ready for `json.dumps`."""
        result: dict[str, Any] = {}
        for group in self.groups.values():
            own = list(group.hosts) if group.name != "all" else []
            entry = {"hosts": own, "children": list(group.children)}
            if any(entry.values()):
                result[group.name] = {key: names for key, names in entry.items() if names}
        shown = {name: self.host_to_ansible(name, reveal=reveal) for name in self.members("all")}
        result["_meta"] = {
            "hostvars": {name: found for name, found in shown.items() if found},
            "profile": PROFILE,
        }
        return result

    def host_to_ansible(self, name: str, *, reveal: bool = False) -> dict[str, Any]:
        """What `ansible-inventory --host NAME` prints, secrets masked unless `reveal`. Raises UsageError."""
        host = self.hosts.get(name)
        if host is None:
            near = get_close_matches(name, self.hosts, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else "`hactl inventory --list` shows all hosts"
            )
            raise UsageError(f"{self.path}: no host is named {name!r}", hint)
        return {key: _shown(node, reveal) for key, node in host.vars.items() if key not in RESERVED}


def _shown(node: Node, reveal: bool) -> Any:
    """A value as Ansible's JSON has it: dates as text, unsafe strings marked, keys as strings."""
    if isinstance(node.value, dict):
        return {_key(key): _shown(part, reveal) for key, part in node.value.items()}
    if isinstance(node.value, list):
        return [_shown(part, reveal) for part in node.value]
    if node.secret and not reveal:
        return MASK
    if isinstance(node.value, date):
        return node.value.isoformat()
    if node.unsafe and isinstance(node.value, str):
        return {"__ansible_unsafe": node.value}
    return node.value


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    return key.isoformat() if isinstance(key, date) else json.dumps(key)
