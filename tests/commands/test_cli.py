"""The command line: exit codes, output channels and the time of a start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import REPOSITORY
from tests.waiting import wait_until

HACTL = Path(sys.executable).parent / "hactl"
LAB = REPOSITORY / "inventories" / "lab.yml"


def hactl(
    *arguments: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a user does, without a terminal."""
    return subprocess.run(
        [HACTL, *arguments],
        cwd=cwd,
        env={
            **{name: value for name, value in os.environ.items() if name != "HACTL_INVENTORY"},
            **variables,
        },
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def test_help_is_quick() -> None:
    """Imports stay lazy: the best of eight starts takes under 150 ms of processor time."""
    best = min(_processor_seconds("--help") for _ in range(8))
    assert best < 0.150, f"hactl --help took {best:.3f} s"


def _processor_seconds(*arguments: str) -> float:
    before = os.times()
    assert hactl(*arguments).returncode == 0
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


@pytest.mark.parametrize(
    "words", [["nope"], ["plan", "--nope"], ["deploy", "--serial", "x"], ["inventory"], []]
)
def test_wrong_usage_is_64_never_2(words: list[str]) -> None:
    """2 means that a plan has changes; a script must be able to distinguish them."""
    done = hactl(*words)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr


def test_wrong_input_is_3_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("all:\n  hosts:\n    a: {ansible_host: 192.0.2.1}\n    a: {}\n")
    done = hactl("plan", str(path))
    assert done.returncode == 3
    assert f"{path}:4:5: yaml-duplicate-key:" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["lint"],
        ["render"],
        ["plan"],
        ["verify"],
        ["status"],
        ["doctor"],
        ["inventory", "--list"],
        ["kafka", "plan"],
        ["lab", "status"],
        ["lab", "down"],
        ["drain", "web1"],
        ["history"],
    ],
    ids=" ".join,
)
def test_without_an_inventory_every_command_says_what_is_missing(
    words: list[str], tmp_path: Path
) -> None:
    done = hactl(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "inventory-missing: no inventory is given, HACTL_INVENTORY is not set" in done.stderr
    assert "hactl init" in done.stderr


def test_a_shipped_example_is_used_where_it_is_named_and_no_such_file_is_here(
    tmp_path: Path,
) -> None:
    assert "0 findings" in hactl("lint", "inventories/lab.yml", cwd=tmp_path).stdout
    assert "0 findings" in hactl("lint", cwd=tmp_path, HACTL_INVENTORY="inventories/lab.yml").stdout
    assert "file-missing" in hactl("lint", "inventories/mine.yml", cwd=tmp_path).stderr
    (tmp_path / "inventories").mkdir()
    (tmp_path / "inventories" / "lab.yml").write_text(
        "all: {hosts: {mine: {ansible_host: 192.0.2.1}}}\n"
    )
    assert '"mine"' in hactl("inventory", "--list", "inventories/lab.yml", cwd=tmp_path).stdout
    assert '"mine"' in hactl("inventory", "--list", cwd=tmp_path).stdout


def test_an_empty_hactl_inventory_counts_as_unset(tmp_path: Path) -> None:
    assert "inventory-missing" in hactl("lint", cwd=tmp_path, HACTL_INVENTORY="").stderr


def test_inventory_list_is_one_json_document() -> None:
    document = json.loads(hactl("inventory", "--list", str(LAB)).stdout)
    assert document["directors"]["hosts"] == ["lvs1", "lvs2"]


def test_unknown_host_names_the_known_ones() -> None:
    done = hactl("inventory", "--host", "nope", str(LAB))
    assert done.returncode == 64
    assert "lvs1" in done.stderr


def test_limit_to_nothing_is_refused() -> None:
    done = hactl("plan", str(LAB), "--limit", "nope")
    assert done.returncode == 64
    assert "no host or group nope" in done.stderr


def test_shell_completion_is_offered() -> None:
    """The script that `hactl --install-completion` installs, without the detection of the shell."""
    environment = {**os.environ, "_HACTL_COMPLETE": "source_bash"}
    done = subprocess.run(
        [HACTL], env=environment, text=True, capture_output=True, timeout=60, check=False
    )
    assert "_hactl_completion()" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_waits_for_a_silent_host(
    number: signal.Signals, tmp_path: Path
) -> None:
    mark = tmp_path / "connecting"
    proxy = tmp_path / "proxy"
    proxy.write_text(f"#!/bin/sh\necho $$ >>{mark}\nexec sleep 60\n")
    proxy.chmod(0o755)
    path = tmp_path / "site.yml"
    path.write_text(
        LAB.read_text().replace("-F /run/hactl/lab/lab/ssh_config", f"-o ProxyCommand={proxy}")
    )
    with subprocess.Popen([HACTL, "plan", path], stderr=subprocess.PIPE, text=True) as running:
        wait_until(
            lambda: mark.exists() or running.poll() is not None, 60, what="the first connection"
        )
        assert running.poll() is None
        began = time.monotonic()
        running.send_signal(number)
        _, errors = running.communicate(timeout=30)
        assert time.monotonic() - began < 2, "a second, and one for a busy machine"
    assert running.returncode == 130, errors
    assert "interrupted while the hosts were inspected: nothing was changed\n" in errors
    assert errors.endswith("\ninterrupted\n") and "Traceback" not in errors
    assert [pid for pid in mark.read_text().split() if Path(f"/proc/{pid}").exists()] == [], (
        "its proxy commands ended, too"
    )
