"""The lab of a rehearsal: its name, its hosts and its lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provision.commands.rehearsal_lab import _rehearsal_lock, name_of, spec_of
from provision.core.errors import InputError, LabError
from provision.deploy.project import Project
from provision.inventory.topology import build
from provision.lab.plan import lab_name
from tests.inventory.building import GROUPS, HOSTS, frontend, inventory


def project(
    hosts: Mapping[str, Any] = HOSTS, groups: Mapping[str, Any] = GROUPS, path: str = "site.yml"
) -> Project:
    contents = inventory([frontend()], hosts, groups)
    return Project(Path(path), contents, build(contents))


@pytest.mark.parametrize("stem", ["lab", "a" * 32, "b" * 21 + "-x", "lab-rehearsal"])
def test_the_name_differs_from_that_of_the_inventorys_own_lab(stem: str) -> None:
    name = name_of(project(path=f"{stem}.yml"))
    assert name == lab_name(name)
    assert name != lab_name(stem)
    assert len(name) <= 32


def test_both_inventories_fit_into_the_lab() -> None:
    added = {**HOSTS, "web3": {"ansible_host": "192.168.227.105"}}
    other = project(
        {name: added[name] for name in ("lvs1", "lvs2", "web1", "web3")},
        {**GROUPS, "web": ("web1", "web3")},
    )
    spec = spec_of(project(), other)
    assert [host.name for host in spec.hosts] == ["lvs1", "lvs2", "web1", "web2", "web3"]
    assert [host.kind for host in spec.hosts] == ["director", "director", "node", "node", "node"]


def test_a_host_that_becomes_a_director_boots_as_a_director() -> None:
    added = {**HOSTS, "lvs3": {"ansible_host": "192.168.227.105"}}
    before = project(added, {**GROUPS, "clients": ("lvs3",)})
    after = project(added, {**GROUPS, "directors": ("lvs1", "lvs2", "lvs3")})
    assert spec_of(before, after).host("lvs3").kind == "director"
    assert spec_of(before, None).host("lvs3").kind == "node"


def test_a_host_that_moves_cannot_be_rehearsed() -> None:
    moved = {**HOSTS, "web2": {"ansible_host": "192.168.227.199"}}
    with pytest.raises(InputError) as raised:
        spec_of(project(), project(moved, path="other.yml"))
    (problem,) = raised.value.problems
    assert problem.rule == "change-moves-host"
    assert (
        "web2 has the address 192.168.227.199 here, and 192.168.227.104 in site.yml" in problem.what
    )


def test_a_host_that_is_renamed_cannot_be_rehearsed() -> None:
    renamed = {("page2" if name == "web2" else name): settings for name, settings in HOSTS.items()}
    with pytest.raises(InputError) as raised:
        spec_of(project(), project(renamed, {**GROUPS, "web": ("web1", "page2")}))
    assert (
        "page2 has the address 192.168.227.104 here, which is the address of web2 in site.yml"
        in str(raised.value)
    )


def test_only_one_rehearsal_of_an_inventory_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HACTL_CACHE", str(tmp_path))
    with _rehearsal_lock("site-rehearsal"):
        with pytest.raises(LabError, match="is running"), _rehearsal_lock("site-rehearsal"):
            pass
        with _rehearsal_lock("other-rehearsal"):
            pass
    with _rehearsal_lock("site-rehearsal"):
        pass
