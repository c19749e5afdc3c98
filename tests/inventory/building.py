"""Builders of inventories from plain data, for tests of front ends rather than of YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provision.core.errors import Position
from provision.inventory.hosts import Group, Host, Inventory
from provision.inventory.source import Node
from provision.inventory.topology import Topology, build

PLACE = Position("inventory.yml", 7, 3)

HOSTS: Mapping[str, Mapping[str, Any]] = {
    "lvs1": {"ansible_host": "192.168.227.101"},
    "lvs2": {"ansible_host": "192.168.227.102"},
    "web1": {"ansible_host": "192.168.227.103"},
    "web2": {"ansible_host": "192.168.227.104"},
}
DUAL: Mapping[str, Mapping[str, Any]] = {
    name: {"address": [f"192.168.227.{number}", f"fd00:227::{number}"]}
    for number, name in enumerate(("lvs1", "lvs2", "web1", "web2"), start=101)
}
GROUPS: Mapping[str, Sequence[str]] = {"directors": ("lvs1", "lvs2"), "web": ("web1", "web2")}


def inventory(
    frontends: Any,
    hosts: Mapping[str, Mapping[str, Any]] = HOSTS,
    groups: Mapping[str, Sequence[str]] = GROUPS,
    **common: Any,
) -> Inventory:
    """An inventory with `frontends` (and `common`) as variables of `all`, every value at
    `PLACE`."""
    shared = {
        name: Node.of(value, PLACE) for name, value in {"frontends": frontends, **common}.items()
    }
    host_objects = {
        name: Host(
            name,
            Position("inventory.yml", 20 + index),
            {**shared, **{key: Node.of(value, PLACE) for key, value in settings.items()}},
            tuple(sorted(group for group, members in groups.items() if name in members)),
        )
        for index, (name, settings) in enumerate(hosts.items())
    }
    all_group = Group("all", PLACE, (), ("ungrouped", *groups), shared)
    group_objects = {
        name: Group(name, PLACE, tuple(members), (), {}) for name, members in groups.items()
    }
    return Inventory(
        Path("inventory.yml"),
        host_objects,
        {"all": all_group, "ungrouped": Group("ungrouped", PLACE, (), (), {}), **group_objects},
    )


def frontend(**changes: Any) -> dict[str, Any]:
    """The front end of inventories/lab.yml, with `changes`."""
    plain = {
        "name": "web",
        "vips": ["192.168.227.10"],
        "directors": "directors",
        "vrrp": {"virtual_router_id": 10},
        "services": [service()],
    }
    return {**plain, **changes}


def service(**changes: Any) -> dict[str, Any]:
    """The service of that front end, with `changes`; None removes a field."""
    plain = {
        "port": 80,
        "scheduler": "rr",
        "real_servers": "web",
        "check": {"type": "tcp"},
        **changes,
    }
    return {name: value for name, value in plain.items() if value is not None}


def topology(frontends: Any, **options: Any) -> Topology:
    """The topology of `inventory(frontends, …)`."""
    return build(inventory(frontends, **options))
