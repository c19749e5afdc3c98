"""Removing folders that may contain mounts."""

from __future__ import annotations

from pathlib import Path

from provision.lab.cleanup import mounts_below, remove

MOUNTS = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:5 / /c/lab/root rw - overlay x rw
31 30 0:6 / /c/lab/root/dev rw - devtmpfs x rw
32 22 0:7 / /c/laboratory rw - tmpfs x rw
33 22 0:8 / /c/lab\\040two rw - tmpfs x rw
"""


def test_mounts_are_found_deepest_first_without_those_of_other_folders() -> None:
    assert mounts_below(Path("/c/lab"), MOUNTS) == [Path("/c/lab/root/dev"), Path("/c/lab/root")]


def test_mount_points_may_have_spaces() -> None:
    assert mounts_below(Path("/c/lab two"), MOUNTS) == [Path("/c/lab two")]


def test_a_folder_is_removed_with_its_contents_and_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    remove(tmp_path / "a")
    remove(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
