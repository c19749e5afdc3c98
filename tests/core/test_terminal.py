"""Text on a terminal."""

from __future__ import annotations

import io
import json

import pytest

from provision.core.terminal import RED, WIDTH, Screen, print_json, shortened, wrapped
from tests.streams import TerminalStream


def test_a_long_text_is_wrapped_with_its_indentation_and_its_colour() -> None:
    lines = list(wrapped("word " * 40, RED, first="- ", rest="  "))
    assert all(len(line) <= WIDTH and colour == RED for line, colour in lines)
    assert [line[:2] for line, _ in lines] == ["- ", *["  "] * (len(lines) - 1)]


def test_words_are_not_parted_at_a_hyphen() -> None:
    (line, _), *_ = wrapped(f"{'x' * 70} real-server-without-vip")
    assert line == "x" * 70


@pytest.mark.parametrize(
    ("first", "lines"), [("", []), ("   ", []), ("lab up  ok  ", [("lab up  ok", "")])]
)
def test_an_empty_text_has_a_line_only_where_something_stands_before_it(
    first: str, lines: list[tuple[str, str]]
) -> None:
    assert list(wrapped("", first=first)) == lines


def test_a_text_that_is_cut_ends_in_an_ellipsis() -> None:
    assert shortened("a\tb" * 40) == ("a b" * 40)[: WIDTH - 1] + "…"
    assert shortened("short") == "short"


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = TerminalStream(), io.StringIO()
    for stream in (terminal, file):
        Screen(stream).show([("bad", RED)])
    assert (terminal.getvalue(), file.getvalue()) == ("\x1b[31mbad\x1b[0m\n", "bad\n")


def test_no_colour_where_the_operator_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = TerminalStream()
    Screen(terminal).show([("bad", RED)])
    assert terminal.getvalue() == "bad\n"


def test_nothing_in_a_line_can_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().show([("evil\x1b[2J", "")])
    print_json({"name": "evil\x9b2J"})
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x9b"} & set(shown)
    assert json.loads(shown.partition("\n")[2])["name"].startswith("evil")
