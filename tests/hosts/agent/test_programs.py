"""The agents' programs: clean for shellcheck, valid for every sh, and described in the protocol."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from provision.hosts.agent import PARTS, program

pytestmark = pytest.mark.agent

PROTOCOL = Path(__file__).parents[3].joinpath("docs/agent-protocol.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["observe", "apply", "recover", "generations", "fault", "watch", "versions"]
)
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    """The whole program is checked: a part alone does not see the variables of the other parts."""
    parts = "shell=sh disable=SC2034,SC2086,SC2154"
    (tmp_path / f"{name}.sh").write_text(program(name).replace(parts, "shell=sh disable=SC2086"))
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "install shellcheck"
    shown = subprocess.run(
        [shellcheck, str(tmp_path / f"{name}.sh")], capture_output=True, text=True, check=False
    )
    assert (shown.returncode, shown.stdout) == (0, "")


@pytest.mark.parametrize(
    "name", ["observe", "apply", "recover", "generations", "fault", "watch", "versions", "hold"]
)
@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"], ["bash", "--posix"]])
def test_every_sh_can_read_it(name: str, shell: list[str]) -> None:
    subprocess.run([*shell, "-n"], input=program(name), text=True, check=True)


def test_the_protocols_table_has_every_agent_with_its_parts_and_its_python_end() -> None:
    rows = {
        row[0]: row[1:]
        for row in re.findall(r"^\| \[`(\w+)`\]\S+ \|[^|]*\| ([^|]*) \| ([^|]*) \|", PROTOCOL, re.M)
    }
    parts = {name: tuple(re.findall(r"`([\w-]+)`", cells[0])) for name, cells in rows.items()}
    assert parts == PARTS
    package = Path(__file__).parents[3] / "provision"
    ends = [end for cells in rows.values() for end in re.findall(r"`([^`]+)`", cells[1])]
    assert [end for end in ends if not (package / end).is_file()] == []


@pytest.mark.parametrize("name", sorted(PARTS))
def test_the_protocol_has_every_answer_of_an_agent(name: str) -> None:
    """An answer is the first word after `say`; a section is the word after `section`."""
    words = re.findall(r"(?m)^\s*(?:[^#\n]*[;&|] )?(?:say|section) '?([a-z_-]+)\b", program(name))
    assert [word for word in words if not re.search(rf"[`\s]{word}\b", PROTOCOL)] == []
