"""Nodes: values with their places."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import Position
from provision.inventory.source import MASK, Node

HERE = Position("f.yml", 3, 5)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates()
)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def leaves(data: Any) -> list[Any]:
    if isinstance(data, dict):
        return [leaf for part in data.values() for leaf in leaves(part)]
    return [leaf for part in data for leaf in leaves(part)] if isinstance(data, list) else [data]


@given(DATA)
def test_plain_is_the_inverse_of_of(data: Any) -> None:
    assert Node.of(data, HERE).plain() == data


@given(DATA)
def test_a_secret_tree_shows_only_its_shape(data: Any) -> None:
    node = Node.of(data, HERE).as_secret()
    assert leaves(node.masked()) == [MASK for _ in leaves(data)]
    assert list(node.secrets()) == [str(leaf) for leaf in leaves(data) if leaf not in (None, "")]
    assert node.plain() == data


@given(DATA)
def test_a_tree_without_secrets_is_shown_as_it_is(data: Any) -> None:
    node = Node.of(data, HERE)
    assert node.masked() == data
    assert not list(node.secrets())


def test_at_returns_the_deepest_existing_node() -> None:
    port = Node(80, Position("f.yml", 4, 9))
    service = Node({"port": port}, Position("f.yml", 4, 3))
    root = Node({"services": Node([service], Position("f.yml", 3, 3))}, Position("f.yml", 2, 1))
    assert root.at("services", 0, "port") is port
    assert root.at("services", 0, "protocol") is service
    assert root.at("services", 7).position.line == 3
    assert root.at("services", -1).position.line == 3
    assert root.at("nothing", "below") is root


def test_an_unknown_key_has_the_place_of_the_mapping() -> None:
    node = Node({"a": Node(1, HERE)}, HERE, keys={"a": Position("f.yml", 3, 1)})
    assert node.key_position("a") == Position("f.yml", 3, 1)
    assert node.key_position("b") == HERE


def test_the_place_does_not_count_in_comparisons() -> None:
    assert Node(1, HERE) == Node(1, Position("other.yml"))
    assert Node("x", HERE) != Node("x", HERE, secret=True)
