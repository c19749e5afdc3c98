"""Whatever text an inventory holds, it stays inside its own value in keepalived.conf, or is refused.

keepalived.conf(5) has no safe quoting, so the model refuses what could end a value. The property: take any text of
any case and put a hostile one in its place; either that is a Problem, or the file has the same lines as before, with
the same words in each but for the one value.
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
from tests.roles.keepalived_cases import CASES, Case
from tests.roles.test_keepalived import keepalived_test, needs_keepalived, rendered

BENIGN = "zq7"
NASTY = [
    "x\nvrrp_strict", "x\r\ny", "x }", "{", "}", "a b", 'a" b', "a' b", '"', "a # b", "a!b", "$X", "${_PWD}",
    "${_HASH}",
    "@lvs1 x", "~SEQ(a,1,9) x", "~LST(a,b)", "include", "includer /etc/passwd", "\\", "a\\", "\\n", "\x00",
    "\x1b[2J", "\x85",
    "\u2028", "\u00a0", "\ud800", "", " ", "\t", "-", "'", "%s", "{{ 7*7 }}", "{% raw %}",
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path to every text in a case, except raw lines, which are meant to be anything."""
    if isinstance(value, str):
        yield ()
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            if key not in ("extra", "extra_blocks"):
                yield from ((key, *rest) for rest in places(part))


def put(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """`value` with `text` at `path`."""
    if not path:
        return text
    if isinstance(value, dict):
        return {**value, path[0]: put(value[path[0]], path[1:], text)}
    return [*value[: path[0]], put(value[path[0]], path[1:], text), *value[path[0] + 1 :]]


def changed(name: str, path: tuple[Any, ...], text: str) -> str | None:
    """The file for a case with one text replaced; None where that is refused."""
    case = CASES[name]
    both = put({"frontends": case.frontends, "keepalived": case.keepalived}, path, text)
    try:
        return rendered(Case(both["frontends"], both["keepalived"], case.hosts, case.common))
    except InputError:
        return None


PLACES = [
    (name, path)
    for name, case in CASES.items()
    for path in places({"frontends": case.frontends, "keepalived": case.keepalived})
]


def words(line: str) -> list[str]:
    """A line as Keepalived splits it: at blanks, quoted strings whole, comments dropped."""
    return [word for word in re.findall(r'"[^"]*"|[^\s"]+|[#!].*', line) if word[0] not in "#!"]


def same_shape(text: str, reference: str, value: str) -> bool:
    """Whether two files have the same lines and words, up to `value` (one word or more) in place of the benign one."""
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
def test_a_hostile_text_is_refused_or_stays_in_its_place(
    place: tuple[str, tuple[Any, ...]], nasty: str, prefixed: bool
) -> None:
    name, path = place
    prefix = "/" + BENIGN if prefixed else BENIGN
    reference = changed(name, path, prefix)
    got = changed(name, path, prefix + nasty)
    if got is None:
        return
    assert reference is not None, "what extends a refused text was accepted"
    written = BENIGN + nasty
    if (
        path[-1] == "regex"
    ):  # the one text that may hold backslashes: between quotes each is written as two
        written = written.replace("\\", "\\\\")
    assert same_shape(got, reference, written)


@pytest.mark.parametrize("nasty", NASTY)
def test_no_text_begins_as_a_directive(nasty: str) -> None:
    """Hostile from the first letter: refused, or the file has as many lines as with the text that was there."""
    for name, path in PLACES:
        got = changed(name, path, nasty)
        if got is not None:
            assert not re.search(r"^\s*([@~}]|include)", strip_blocks(got), re.MULTILINE), (
                name,
                path,
            )


def strip_blocks(text: str) -> str:
    """The file without the lines that only close a block."""
    return re.sub(r"^\s*}$\n", "", text, flags=re.MULTILINE)


@pytest.mark.keepalived
@needs_keepalived
def test_keepalived_takes_every_odd_sign_as_part_of_the_value(tmp_path: Path) -> None:
    """The signs that the model lets through in quotes mean nothing to Keepalived's own parser either."""
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
