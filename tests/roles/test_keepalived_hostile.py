"""A text of an inventory stays inside its value in keepalived.conf, or the model rejects it.

keepalived.conf(5) has no safe quoting, so the model rejects texts that could end a value. The
property: replace any text of any case by a hostile text. Then either that is a Problem, or the file
has the same lines and words as before, apart from the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provision.core.errors import InputError
from tests.roles.keepalived_cases import CASES
from tests.roles.keepalived_cases.case import Case
from tests.roles.test_keepalived import keepalived_test, needs_keepalived, rendered

BENIGN = "zq7"
NASTY = [
    "x\nvrrp_strict",
    "x\r\ny",
    "x }",
    "{",
    "}",
    "a b",
    'a" b',
    "a' b",
    '"',
    "a # b",
    "a!b",
    "$X",
    "${_PWD}",
    "${_HASH}",
    "@lvs1 x",
    "~SEQ(a,1,9) x",
    "~LST(a,b)",
    "include",
    "includer /etc/passwd",
    "\\",
    "a\\",
    "\\n",
    "\x00",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "\u00a0",
    "\ud800",
    "",
    " ",
    "\t",
    "-",
    "'",
    "%s",
    "{{ 7*7 }}",
    "{% raw %}",
]


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts in a case, except raw lines, which may have any content."""
    if isinstance(value, str):
        yield ()
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in ("extra", "extra_blocks"):
                yield from ((key, *path) for path in places(part))


def put(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """`value` with `text` at `path`."""
    if not path:
        return text
    if isinstance(value, dict):
        return {**value, path[0]: put(value[path[0]], path[1:], text)}
    return [*value[: path[0]], put(value[path[0]], path[1:], text), *value[path[0] + 1 :]]


def changed(name: str, path: tuple[Any, ...], text: str) -> str | None:
    """The file of a case with a replaced text; None if the model rejects it."""
    case = CASES[name]
    variables = put({"frontends": case.frontends, "keepalived": case.keepalived}, path, text)
    try:
        return rendered(
            Case(variables["frontends"], variables["keepalived"], case.hosts, case.common)
        )
    except InputError:
        return None


PLACES = [
    (name, path)
    for name, case in CASES.items()
    for path in places({"frontends": case.frontends, "keepalived": case.keepalived})
]


def words(line: str) -> list[str]:
    """The words of a line, as Keepalived splits it: at blanks, without comments."""
    return [word for word in re.findall(r'"[^"]*"|[^\s"]+|[#!].*', line) if word[0] not in "#!"]


def same_shape(text: str, reference: str, value: str) -> bool:
    """Whether two files have the same lines and words, with `value` instead of BENIGN."""
    lines, others = text.split("\n"), reference.split("\n")
    if len(lines) != len(others) or len(text.splitlines()) != len(reference.splitlines()):
        return False
    for line, other in zip(lines, others, strict=True):
        expected = [word.replace(BENIGN, value) for word in words(other)]
        if " ".join(words(line)).split() != " ".join(
            expected
        ).split() and not line.lstrip().startswith("#"):
            return False
    return True


@given(
    st.sampled_from(PLACES), st.one_of(st.sampled_from(NASTY), st.text(max_size=12)), st.booleans()
)
@example(("notify", ("frontends", 0, "vrrp", "notify_fault")), '/bin/x"\nvrrp_strict', False)
@example(("http check", ("frontends", 0, "services", 0, "check", "urls", 2, "regex")), "\\", False)
@example(("tracking", ("frontends", 0, "vrrp", "track_processes", 0, "process")), "a b", False)
@settings(max_examples=600, deadline=None)
def test_a_hostile_text_is_rejected_or_stays_inside_its_value(
    place: tuple[str, tuple[Any, ...]], nasty: str, prefixed: bool
) -> None:
    name, path = place
    prefix = "/" + BENIGN if prefixed else BENIGN
    reference = changed(name, path, prefix)
    text = changed(name, path, prefix + nasty)
    if text is None:
        return
    assert reference is not None, "the model accepts a text whose beginning it rejects"
    written = BENIGN + nasty
    if path[-1] == "regex":  # only this text may have backslashes, which are doubled in quotes
        written = written.replace("\\", "\\\\")
    assert same_shape(text, reference, written)


@pytest.mark.parametrize("nasty", NASTY)
def test_no_text_becomes_a_directive(nasty: str) -> None:
    """A completely hostile text is rejected, or begins no line of the file."""
    for name, path in PLACES:
        text = changed(name, path, nasty)
        if text is not None:
            assert not re.search(r"^\s*([@~}]|include)", strip_blocks(text), re.MULTILINE), (
                name,
                path,
            )


def strip_blocks(text: str) -> str:
    """The file without the lines that only close a block."""
    return re.sub(r"^\s*}$\n", "", text, flags=re.MULTILINE)


@pytest.mark.keepalived
@needs_keepalived
def test_keepalived_reads_all_special_characters_as_parts_of_the_value(tmp_path: Path) -> None:
    """Characters that the model accepts in quotes have no meaning for Keepalived's parser."""
    odd = "a {b} } c # d ! e ~SEQ(x,1,2) @f % ; ` | & < > * ? ( ) = +"
    case = CASES["names and scripts"]
    text = rendered(
        Case(
            [
                {
                    **case.frontends[0],
                    "vrrp": {"virtual_router_id": 10, "notify_master": f"/bin/true {odd}"},
                }
            ],
            {"router_id": odd},
        )
    )
    assert f'router_id "{odd}"' in text
    assert keepalived_test(text, tmp_path) == (0, "")
