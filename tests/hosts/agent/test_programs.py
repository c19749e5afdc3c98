"""The agents' texts: clean for shellcheck, and valid for every sh that may read them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from provision.hosts.agent import program

pytestmark = pytest.mark.agent


@pytest.mark.parametrize(
    "name", ["observe", "apply", "recover", "generations", "fault", "watch", "versions"]
)
def test_shellcheck_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    """Of the whole: its parts, alone, cannot see each other's variables."""
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
