"""What a host, or whoever answers in its place, can do to the operator who asks it."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HostError, Unreachable, plain
from provision.core.events import Console
from provision.core.terminal import Screen, print_json
from tests.hosts.conftest import Net
from tests.hosts.netns import keygen

HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\u202eevil\r\x08\x00"
SHOWN = r"\u001b]52;c;cm0gLXJm\u0007\u001b[2J\u009b31m\u202eevil\u000d\u0008\u0000"


@given(st.text())
def test_what_is_shown_moves_no_cursor_and_turns_no_text(text: str) -> None:
    shown = plain(text)
    assert all(letter in "\t\n" or letter.isprintable() or not letter.isascii() for letter in shown)
    assert not set(shown) & set("\x1b\x9b\r\x07\u202e\u2066")


def test_a_host_cannot_speak_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """As with OSC 52, which puts a command in the operator's clipboard."""
    screen, progress = io.StringIO(), io.StringIO()
    Screen(screen).show([(f"+{HOSTILE}", "32")])
    console = Console(progress)
    console.host("web1", HOSTILE)
    console.note(str(HostError("web1", HOSTILE)))
    assert screen.getvalue() == f"+{SHOWN}\n"
    assert progress.getvalue().count(SHOWN) == 2 and "\x1b" not in progress.getvalue()
    print_json({"message": HOSTILE})
    out = capsys.readouterr().out
    assert "\x9b" not in out and "\u202e" not in out
    assert json.loads(out) == {"message": HOSTILE}, "a program gets what there was"


@pytest.mark.ssh
@pytest.mark.parametrize("kind", ["unknown", "changed"])
def test_whoever_cannot_show_the_right_host_key_gets_no_password(
    net: Net, tmp_path: Path, kind: str
) -> None:
    known = tmp_path / "known"
    if kind == "changed":
        net.near.known_hosts(known, keygen(tmp_path / "other"))
    before = len(net.near.log.read_text(errors="replace"))
    target = net.target(known, user="asked", key_files=(), password="right horse")  # noqa: S106
    with pytest.raises(
        Unreachable, match="not known" if kind == "unknown" else "has changed"
    ) as failure:
        net.connect(target)
    assert "right horse" not in str(failure.value)
    end = time.monotonic() + 10
    while "do_cleanup" not in (said := net.near.log.read_text(errors="replace")[before:]):
        assert time.monotonic() < end, said
        time.sleep(0.05)
    assert "KEX done" in said
    assert (
        "userauth-request" not in said and "Failed password" not in said and "Accepted" not in said
    )


@pytest.mark.ssh
@pytest.mark.parametrize("strict", [True, False])
def test_a_revoked_host_key_is_refused_whoever_vouches_for_it(
    net: Net, tmp_path: Path, strict: bool
) -> None:
    known = net.near.known_hosts(tmp_path / "known")
    before = known.read_text()
    known.write_text(f"{before}@revoked * {before.split(maxsplit=1)[1]}")
    after = known.read_text()
    with pytest.raises(Unreachable, match="is revoked"):
        net.connect(net.target(known, strict=strict))
    assert known.read_text() == after


@pytest.mark.ssh
def test_hashed_names_comments_and_damaged_lines_are_read_as_ssh_reads_them(
    net: Net, tmp_path: Path
) -> None:
    known = net.near.known_hosts(tmp_path / "known")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")
    known.write_text(
        f"# a comment\n\nweb9 ssh-ed25519 AAAA\n@cert-authority * ssh-rsa AAAA\n{known.read_text()}"
    )
    net.connect(net.target(known)).close()


@pytest.mark.ssh
def test_the_right_one_gets_it(net: Net, tmp_path: Path) -> None:
    """What the test above would notice."""
    before = len(net.near.log.read_text(errors="replace"))
    known = net.near.known_hosts(tmp_path / "known")
    net.connect(net.target(known, user="asked", key_files=(), password="right horse")).close()  # noqa: S106
    said = net.near.log.read_text(errors="replace")[before:]
    assert "userauth-request" in said and "Accepted password for asked" in said
