"""Unmounting below a folder, and removing it without following mounts."""

from __future__ import annotations

from pathlib import Path

from provision.core.errors import LabError
from provision.lab.subprocesses import run


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """Mount points at or below `folder`, deepest first, from /proc/self/mountinfo (proc(5))."""
    targets = []
    for line in mountinfo.splitlines():
        target = Path(line.split()[4].encode().decode("unicode_escape"))  # octal escapes of spaces
        if target == folder or folder in target.parents:
            targets.append(target)
    return sorted(targets, key=lambda path: len(path.parts), reverse=True)


def unmount(folder: Path) -> None:
    """Unmount everything at or below the folder."""
    for target in mounts_below(folder, Path("/proc/self/mountinfo").read_text()):
        run(["umount", "--lazy", str(target)])


def remove(folder: Path) -> None:
    """Remove the folder with its contents. Never enters a mounted file system, such as /dev."""
    if not folder.exists():
        return
    unmount(folder)
    run(["rm", "-rf", "--one-file-system", "--", str(folder)], timeout=300)
    if folder.exists():
        raise LabError(
            f"{folder} cannot be removed", f"findmnt -R {folder} shows what is mounted there"
        )
