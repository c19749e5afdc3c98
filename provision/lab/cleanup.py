"""Folders that mounts may sit in: unmounting below them, and removing them without leaving their file system."""

from __future__ import annotations

from pathlib import Path

from provision.core.errors import LabError
from provision.lab.subprocesses import run


def mounts_below(folder: Path, mountinfo: str) -> list[Path]:
    """Mount points at or below `folder`, deepest first, from the text of /proc/self/mountinfo (proc(5))."""
    found = []
    for line in mountinfo.splitlines():
        target = Path(line.split()[4].encode().decode("unicode_escape"))  # octal escapes of spaces
        if target == folder or folder in target.parents:
            found.append(target)
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount(folder: Path) -> None:
    """Unmount everything at or below the folder."""
    for target in mounts_below(folder, Path("/proc/self/mountinfo").read_text()):
        run(["umount", "--lazy", str(target)])


def remove(folder: Path) -> None:
    """Remove the folder and all in it. Never follows into a mounted file system: /dev may be one of them."""
    if not folder.exists():
        return
    unmount(folder)
    run(["rm", "-rf", "--one-file-system", "--", str(folder)], timeout=300)
    if folder.exists():
        raise LabError(
            f"{folder} cannot be removed", f"findmnt -R {folder} shows what is mounted there"
        )
