"""JSON from a host is read as by the standard library, up to a depth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.formats.bounded_json import MAX_DEPTH, loads

LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet='[]{}"\\a\n', max_size=8)
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text('[{"\\', max_size=3), inner)
)


@given(DATA)
def test_values_survive_writing_and_reading(data: Any) -> None:
    assert loads(json.dumps(data)) == loads(json.dumps(data).encode()) == data


@given(st.text(alphabet='[]{}:,"\\a1 \n', max_size=30))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            loads(text)
    else:
        assert loads(text) == expected


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('["[[[", {"}":', "}]")])
def test_deeper_nesting_is_a_value_error(begin: str, end: str) -> None:
    brackets = sum(begin.replace('"[[["', "").count(mark) for mark in "[{")
    levels_allowed = MAX_DEPTH // brackets
    assert loads(begin * levels_allowed + "1" + end * levels_allowed) is not None
    for levels in (levels_allowed + 1, 100_000):
        with pytest.raises(ValueError, match="nested deeper than 100 levels"):
            loads(begin * levels + "1" + end * levels)
    with pytest.raises(ValueError, match="nested deeper"):
        loads(begin * 100_000)


def test_brackets_inside_strings_do_not_count() -> None:
    text = "[" * 1000 + '"{'
    assert loads(json.dumps([text])) == [text]
