"""JSON from a host is read as the standard library reads it, unless it nests beyond reason."""

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
def test_what_json_writes_comes_back(data: Any) -> None:
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
def test_nesting_beyond_the_bound_is_a_value_error(begin: str, end: str) -> None:
    brackets = sum(begin.replace('"[[["', "").count(mark) for mark in "[{")
    fits = MAX_DEPTH // brackets
    assert loads(begin * fits + "1" + end * fits) is not None
    for levels in (fits + 1, 100_000):
        with pytest.raises(ValueError, match="nested deeper than 100 levels"):
            loads(begin * levels + "1" + end * levels)
    with pytest.raises(ValueError, match="nested deeper"):
        loads(begin * 100_000)


def test_brackets_inside_strings_do_not_count() -> None:
    text = "[" * 1000 + '"{'
    assert loads(json.dumps([text])) == [text]
