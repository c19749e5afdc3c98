"""Properties files: values and positions after reading, and safe writing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HactlError, InputError
from provision.formats import properties

TEXT = st.text(max_size=30)


def plain(text: str) -> dict[str, str]:
    """The settings in a text."""
    return properties.read(text.encode("latin-1"), "server.properties").plain()


def test_the_key_ends_at_the_first_separator() -> None:
    """`=`, `:` and white space separate; the text after the first `=` is the value."""
    assert plain("a=1\nb: 2\nc 3\n d = = 4\ne\n") == {
        "a": "1",
        "b": "2",
        "c": "3",
        "d": "= 4",
        "e": "",
    }


def test_a_line_with_a_backslash_at_its_end_continues_in_the_next_line() -> None:
    """Its leading white space is dropped; two backslashes are one character and end the line."""
    assert plain("a=1\\\n   2\nb=c\\\\\nd=3") == {"a": "12", "b": "c\\", "d": "3"}


def test_a_broken_line_without_a_backslash_is_two_entries() -> None:
    """The second half becomes another key."""
    settings = plain("sasl.jaas.config=org.apache.Scra\nmLoginModule required x;\n")
    assert settings == {"sasl.jaas.config": "org.apache.Scra", "mLoginModule": "required x;"}


def test_comments_do_not_continue() -> None:
    """A backslash at a comment's end means nothing."""
    assert plain("# a \\\nb=1\n!c=2\n") == {"b": "1"}


def test_of_two_entries_the_later_counts() -> None:
    """Both are kept for lint."""
    settings = properties.read(b"a=1\na= 2 \n", "f")
    assert settings.get("a") == "2"
    assert [entry.value.text for entry in settings.entries] == ["1", "2 "]


def test_positions_are_those_in_the_file() -> None:
    """Also after a continuation and an escape."""
    entry = properties.read(b"# x\n a=b\\\n  \\u0063d\n", "f").entry("a")
    assert entry
    assert str(entry.position) == "f:2:2"
    assert [(entry.value.at(index).line, entry.value.at(index).column) for index in range(3)] == [
        (2, 4),
        (3, 3),
        (3, 9),
    ]


def test_a_bad_escape_is_refused_with_its_position() -> None:
    """Java refuses the whole file."""
    with pytest.raises(InputError, match=r"f:2:3: properties-escape: .*Malformed \\uxxxx encoding"):
        properties.read(b"a=1\nb=\\user", "f")


@given(st.dictionaries(TEXT.filter(bool), TEXT))
def test_written_settings_are_read_back(settings: dict[str, str]) -> None:
    """With any keys and values, every setting is one line."""
    written = properties.write(settings)
    assert written.count(b"\n") == len(settings)
    assert properties.read(written, "f").plain() == settings


def test_values_have_types() -> None:
    """Booleans in lower case, lists with commas."""
    assert properties.write({"a": True, "b": 3, "c": ["x", "y"]}) == b"a=true\nb=3\nc=x,y\n"


@pytest.mark.parametrize("item", ["a,b", " a", ""])
def test_a_list_rejects_items_that_kafka_would_change(item: str) -> None:
    """Kafka would split, trim or drop the item."""
    with pytest.raises(HactlError, match="cannot hold"):
        properties.write({"a": ["x", item]})
