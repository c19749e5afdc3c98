"""The requirements of the lab, and the fixes in its messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.core.errors import LabError
from provision.lab import preflight
from provision.lab.plan import LabSpec

SPEC = LabSpec.of("lab", [("lvs1", "10.0.0.1", True), ("web1", "10.0.0.2", False)])
GOOD = preflight.Machine(
    root=True, missing=(), tun=True, namespaces=True, disk_free=50_000, memory_free=4_000
)


def test_a_good_machine_passes() -> None:
    preflight.check(SPEC, GOOD, image_built=False)


@pytest.mark.parametrize(
    ("machine", "message", "hint"),
    [
        (replace(GOOD, root=False), "needs root", "sudo"),
        (
            replace(GOOD, missing=("qemu-system-x86_64", "socat", "mmdebstrap")),
            "qemu-system-x86_64, socat, mmdebstrap",
            "apt-get install mmdebstrap qemu-system-x86 socat",
        ),
        (replace(GOOD, tun=False), "/dev/net/tun is missing", "mknod /dev/net/tun c 10 200"),
        (replace(GOOD, namespaces=False), "does not let root create namespaces", "--privileged"),
        (replace(GOOD, disk_free=3_000), "4700 MB of disk, 3000 MB are free", "HACTL_CACHE"),
        (
            replace(GOOD, memory_free=300),
            "380 MB of memory (340 a director), 300",
            "hactl lab down",
        ),
    ],
)
def test_a_missing_requirement_is_reported_with_a_fix(
    machine: preflight.Machine, message: str, hint: str
) -> None:
    with pytest.raises(LabError) as caught:
        preflight.check(SPEC, machine, image_built=False)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_built_image_needs_less_disk() -> None:
    preflight.check(SPEC, replace(GOOD, disk_free=3_000), image_built=True)


def test_containers_need_no_tun() -> None:
    only_nodes = LabSpec.of("lab", [("web1", "10.0.0.2", False)])
    preflight.check(only_nodes, replace(GOOD, tun=False), image_built=True)


def test_commands_are_looked_for_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "socat").write_text("#!/bin/sh\n")
    (tmp_path / "socat").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = preflight.inspect(tmp_path / "not" / "yet").missing
    assert "qemu-system-x86_64" in missing
    assert "socat" not in missing


def test_available_memory_is_read_in_megabytes() -> None:
    assert preflight.available_memory("MemTotal: 9 kB\nMemAvailable:    2048000 kB\n") == 2048
