"""Hosts and groups of an inventory, and their JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import Position, UsageError
from provision.inventory.hosts import Group, Host, Inventory
from provision.inventory.reader import read_inventory
from provision.inventory.source import Node

CASES = Path(__file__).parent / "cases"


def test_members_are_in_file_order_without_duplicates() -> None:
    inventory = read_inventory(CASES / "many_groups" / "hosts.yml")
    assert inventory.members("europe") == (
        "ber01",
        "ber02",
        "ber03",
        "muc01",
        "muc02",
        "para",
        "parb",
        "parc",
    )
    assert inventory.members("web") == ("ber01", "ber02", "para", "parb")
    assert set(inventory.members("all")) == set(inventory.hosts)
    with pytest.raises(KeyError):
        inventory.members("nowhere")


def test_the_order_of_a_group_is_the_order_it_is_written_in(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(
        "all: {children: {directors: {hosts: {lvs2: , lvs1: }}, z: {hosts: {lvs1: }}}}\n"
    )
    assert read_inventory(path).members("directors") == ("lvs2", "lvs1")


def test_a_host_has_all_groups_above_it() -> None:
    inventory = read_inventory(CASES / "many_groups" / "hosts.yml")
    assert inventory.hosts["ber01"].groups == ("berlin", "de", "europe", "web")
    assert inventory.groups["europe"].children == ("de", "fr")
    assert [inventory.groups[name].depth for name in ("all", "europe", "de", "berlin", "web")] == [
        0,
        1,
        2,
        3,
        1,
    ]


def test_a_group_has_the_variables_of_the_inventory_and_of_files() -> None:
    inventory = read_inventory(CASES / "precedence" / "hosts.yml")
    assert inventory.groups["parent"].vars["v"].plain() == "group_vars parent"
    assert inventory.groups["parent"].vars["l2"].plain() == "parent inline"
    assert "l3" not in inventory.groups["parent"].vars


def test_var_gives_plain_values_and_defaults() -> None:
    host = Host("h", Position("f"), {"a": Node({"b": Node(1, Position("f"))}, Position("f"))}, ())
    assert (host.var("a"), host.var("x"), host.var("x", 5)) == ({"b": 1}, None, 5)


def test_an_unknown_host_is_wrong_usage() -> None:
    group = Group("all", Position("f"), (), (), {})
    inventory = Inventory(
        Path("hosts.yml"), {"web1": Host("web1", Position("f"), {}, ())}, {"all": group}
    )
    with pytest.raises(
        UsageError, match=r"hosts\.yml: no host is named 'wbe1'\n  did you mean 'web1'\?"
    ):
        inventory.host_to_ansible("wbe1")
