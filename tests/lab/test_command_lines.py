"""The commands of the lab."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.lab import command_lines
from provision.lab.layout import Layout
from provision.lab.plan import LabSpec

SPEC = LabSpec.of("a" * 32, [("lvs1", "10.0.0.1", True), ("w" * 63, "10.0.0.2", False)])
DIRECTOR, NODE = SPEC.hosts
LAYOUT = Layout(SPEC.name, Path("/cache/lab"))


def test_interface_names_are_short_for_any_name_of_lab_and_host() -> None:
    assert [command_lines.port(SPEC, host) for host in SPEC.hosts] == ["p0", "p1"]


def test_machine_names_are_short_enough() -> None:
    assert len(command_lines.machine_name(SPEC, NODE)) <= 64


def test_the_paths_of_sockets_are_short_enough() -> None:
    longest = LabSpec.of("a" * 32, [("h" * 40, "10.0.0.1", True)])
    assert len(str(LAYOUT.host(longest.hosts[0].name).agent)) < 108  # unix(7)


def test_only_directors_have_taps() -> None:
    batch = command_lines.bridge_batch(SPEC)
    assert "tuntap add p0 mode tap" in batch
    assert "p1" not in batch


def test_a_guest_starts_from_a_snapshot_on_request_only() -> None:
    cold = command_lines.qemu(SPEC, DIRECTOR, LAYOUT, Path("/image"), "tcg", restore=False)
    warm = command_lines.qemu(SPEC, DIRECTOR, LAYOUT, Path("/image"), "tcg", restore=True)
    assert warm == [*cold, "-loadvm", "ready"]
    assert "-no-reboot" not in cold


@pytest.mark.parametrize(
    ("accel", "cpu"), [("kvm", "host"), (command_lines.accelerator(kvm=False), "max")]
)
def test_the_processor_depends_on_the_accelerator(accel: str, cpu: str) -> None:
    argv = command_lines.qemu(SPEC, DIRECTOR, LAYOUT, Path("/image"), accel, restore=False)
    assert argv[argv.index("-cpu") + 1] == cpu


def test_a_command_enters_its_groups_before_it_runs(tmp_path: Path) -> None:
    argv = command_lines.in_cgroups([tmp_path], ["sh", "-c", 'echo $$ "$1"', "x", "a b"])
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    pid, _, argument = done.stdout.strip().partition(" ")
    assert (tmp_path / "cgroup.procs").read_text().strip() == pid
    assert argument == "a b"


@pytest.fixture
def runner(tmp_path: Path) -> tuple[Path, Path]:
    """A runner with fakes of ip and env (which starts nspawn), and the log of their calls."""
    script, log = tmp_path / "run.sh", tmp_path / "log"
    script.write_text(command_lines.container_runner(SPEC, NODE, LAYOUT))
    for name, body in {
        "ip": f'echo "ip $*" >>{log}',
        "env": f"echo boot >>{log}\n[ $(grep -c boot {log}) -ge 3 ] || exit 133",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    return script, log


def test_after_a_reboot_the_runner_boots_again_with_a_new_network(
    runner: tuple[Path, Path],
) -> None:
    script, log = runner
    path = f"{script.parent}:/usr/bin:/bin"
    subprocess.run(["/bin/sh", str(script)], env={"PATH": path}, check=True)
    lines = log.read_text().splitlines()
    assert lines.count("boot") == 3
    assert sum(line.startswith("ip netns add") for line in lines) == 3
    assert lines[-1].startswith("ip netns del")  # a halted host has no network


def test_the_runner_is_clean_shell(runner: tuple[Path, Path]) -> None:
    done = subprocess.run(
        ["shellcheck", str(runner[0])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
