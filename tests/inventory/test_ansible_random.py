"""hactl's reading of random inventories, compared with Ansible's classes in this process."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from provision.core.errors import InputError
from provision.inventory.hosts import RESERVED
from provision.inventory.reader import read_inventory

GROUPS = st.sampled_from(["a", "b", "c", "d", "e", "all", "ungrouped"])
HOSTS = st.sampled_from(["h1", "h2", "h3", "h[1:2]", "h4:22", "h5"])
VARS = st.dictionaries(
    st.sampled_from(["v", "w", "x"]),
    st.integers(0, 99) | st.dictionaries(st.just("k"), st.integers()),
)
GROUP_VARS = st.builds(
    lambda variables, priority: (
        variables | ({} if priority is None else {"ansible_group_priority": priority})
    ),
    VARS,
    st.none() | st.integers(-3, 9),
)
SECTIONS = {"hosts": st.dictionaries(HOSTS, st.none() | VARS, max_size=3), "vars": GROUP_VARS}
LEAF = st.none() | st.fixed_dictionaries({}, optional=SECTIONS)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    children = {"children": st.dictionaries(GROUPS, inner, max_size=3)}
    return st.fixed_dictionaries({}, optional={**SECTIONS, **children})


INVENTORIES = st.dictionaries(
    GROUPS, st.recursive(LEAF, nested, max_leaves=8), min_size=1, max_size=4
)
FILES = st.dictionaries(
    st.sampled_from(["all", "a", "b.yml", "c.json", "ungrouped.yaml"]), VARS, max_size=3
)


def theirs(path: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Variables of every host and members of every group, by Ansible's classes."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.manager import VariableManager

    loader = DataLoader()
    loader.set_basedir(str(path.parent))
    inventory = InventoryManager(loader, sources=[str(path)])
    variables = VariableManager(loader, inventory)
    variables_by_host = {}
    for host in inventory.get_hosts("all"):
        merged = variables.get_vars(host=host, include_hostvars=False, stage="all")
        variables_by_host[host.name] = {
            name: value for name, value in merged.items() if name not in RESERVED
        }
    groups = {
        name: [host.name for host in group.hosts]
        for name, group in inventory.groups.items()
        if name != "all"
    }
    return variables_by_host, groups


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(INVENTORIES, FILES, FILES)
def test_random_inventories_are_read_as_ansible_reads_them(
    data: dict[str, Any], group_files: dict[str, Any], host_files: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts.yml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        for kind, files in (("group_vars", group_files), ("host_vars", host_files)):
            (path.parent / kind).mkdir()
            for name, content in files.items():
                stem = (
                    name
                    if kind == "group_vars"
                    else name.replace("all", "h1").replace("ungrouped", "h2")
                )
                (path.parent / kind / stem).write_text(json.dumps(content))
        try:
            ours = read_inventory(path)
        except InputError as error:
            assert {problem.rule for problem in error.problems} <= {
                "inventory-cycle",
                "inventory-ungrouped",
            }
            assume(False)
        hosts, groups = theirs(path)
        assert {name: ours.host_to_ansible(name) for name in ours.members("all")} == hosts
        assert {
            name: list(group.hosts) for name, group in ours.groups.items() if name != "all"
        } == groups
