"""Properties files: what is read, where from, and that nothing written can break."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HactlError, InputError
from provision.formats import properties

TEXT = st.text(max_size=30)


def plain(text: str) -> dict[str, str]:
    """The settings of a file with that text."""
    return properties.read(text.encode("latin-1"), "server.properties").plain()


def test_the_key_ends_at_the_first_separator() -> None:
    """`=`, `:` and white space separate; what follows the first `=` belongs to the value."""
    assert plain("a=1\nb: 2\nc 3\n d = = 4\ne\n") == {
        "a": "1",
        "b": "2",
        "c": "3",
        "d": "= 4",
        "e": "",
    }


def test_a_backslash_at_the_end_goes_on_in_the_next_line() -> None:
    """Its leading white space does not count; two backslashes are one character and end the line."""
    assert plain("a=1\\\n   2\nb=c\\\\\nd=3") == {"a": "12", "b": "c\\", "d": "3"}


def test_a_line_without_one_is_two_entries() -> None:
    """The broken line: the second half becomes a key of its own."""
    found = plain("sasl.jaas.config=org.apache.Scra\nmLoginModule required x;\n")
    assert found == {"sasl.jaas.config": "org.apache.Scra", "mLoginModule": "required x;"}


def test_comments_do_not_continue() -> None:
    """A backslash at a comment's end means nothing."""
    assert plain("# a \\\nb=1\n!c=2\n") == {"b": "1"}


def test_the_later_entry_counts() -> None:
    """Both are kept for lint."""
    found = properties.read(b"a=1\na= 2 \n", "f")
    assert found.get("a") == "2"
    assert [entry.value.text for entry in found.entries] == ["1", "2 "]


def test_places_lead_back_into_the_file() -> None:
    """Also behind a continuation and an escape."""
    entry = properties.read(b"# x\n a=b\\\n  \\u0063d\n", "f").entry("a")
    assert entry
    assert str(entry.position) == "f:2:2"
    assert [(entry.value.at(index).line, entry.value.at(index).column) for index in range(3)] == [
        (2, 4),
        (3, 3),
        (3, 9),
    ]


def test_a_bad_escape_is_refused_where_it_stands() -> None:
    """Java refuses the whole file."""
    with pytest.raises(InputError, match=r"f:2:3: properties-escape: .*Malformed \\uxxxx encoding"):
        properties.read(b"a=1\nb=\\user", "f")


@given(st.dictionaries(TEXT.filter(bool), TEXT))
def test_what_is_written_is_read(settings: dict[str, str]) -> None:
    """Whatever the keys and values hold, each is one line."""
    written = properties.write(settings)
    assert written.count(b"\n") == len(settings)
    assert properties.read(written, "f").plain() == settings


def test_values_have_types() -> None:
    """Booleans in lower case, lists with commas."""
    assert properties.write({"a": True, "b": 3, "c": ["x", "y"]}) == b"a=true\nb=3\nc=x,y\n"


@pytest.mark.parametrize("item", ["a,b", " a", ""])
def test_a_list_refuses_what_it_cannot_hold(item: str) -> None:
    """Kafka would split it, trim it or drop it."""
    with pytest.raises(HactlError, match="cannot hold"):
        properties.write({"a": ["x", item]})
