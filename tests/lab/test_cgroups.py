"""Control groups in the layouts that machines have."""

from __future__ import annotations

from pathlib import Path

from provision.lab.cgroups import hierarchies

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"
HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""
V1 = "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"


def test_version_2_alone_has_one_hierarchy() -> None:
    assert hierarchies(V2) == [Path("/sys/fs/cgroup")]


def test_the_hybrid_layout_also_has_the_hierarchy_of_systemd() -> None:
    assert hierarchies(HYBRID) == [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]


def test_version_1_has_the_hierarchy_of_systemd() -> None:
    assert hierarchies(V1) == [Path("/sys/fs/cgroup/systemd")]


def test_a_machine_may_have_no_hierarchy() -> None:
    assert hierarchies("proc /proc proc rw 0 0\n") == []
