"""The control groups of hosts, which hold all processes of a host, in all layouts.

Version 2 alone has one hierarchy. The hybrid layout also has `name=systemd` (version 1), which
systemd uses in a container (systemd.io/CGROUP_DELEGATION). A host has a group in every hierarchy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from provision.core.errors import LabError


def hierarchies(mounts: str) -> list[Path]:
    """The roots of systemd's hierarchies, from the text of /proc/self/mounts."""
    targets = []
    for line in mounts.splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            targets.append(Path(target))
    return list(dict.fromkeys(targets))


def roots() -> list[Path]:
    """This machine's hierarchies. Raises LabError if systemd cannot run in a container here."""
    writable = [
        path
        for path in hierarchies(Path("/proc/self/mounts").read_text())
        if os.access(path, os.W_OK)
    ]
    if not writable:
        raise LabError(
            "no writable control group hierarchy of systemd is mounted",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )
    return writable


def make(group: str) -> list[Path]:
    """Create the group in every hierarchy if it is missing; returns the paths."""
    paths = [root / group for root in roots()]
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    return paths


def members(group: str) -> set[int]:
    """The ids of the processes in the group and below it."""
    pids: set[int] = set()
    for folder in _folders(group):
        try:
            pids.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue  # a container removed it meanwhile
    return pids - {0}


def exists(group: str) -> bool:
    """Whether any hierarchy has the group."""
    return any((root / group).exists() for root in roots())


def children(group: str) -> set[str]:
    """The names of the groups directly below a group: for a lab's group, its hosts."""
    return {path.name for root in roots() for path in (root / group).glob("*") if path.is_dir()}


def kill(group: str, timeout: float = 10) -> None:
    """Send SIGKILL until the group is empty. Raises LabError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while pids := members(group):
        for pid in pids:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(
                f"processes {sorted(pids)} of {group} do not end after SIGKILL",
                "look at their state with ps, then run the command again",
            )
        time.sleep(0.01)


def remove(group: str) -> None:
    """Remove the empty group, deepest folders first. Raises LabError if a folder stays busy."""
    for folder in sorted(_folders(group), key=lambda path: len(path.parts), reverse=True):
        for attempt in range(100):
            try:
                folder.rmdir()
            except FileNotFoundError:
                break
            except OSError as error:
                if attempt == 99:
                    raise LabError(f"{folder} cannot be removed: {error.strerror}") from None
                time.sleep(0.02)
            else:
                break


def send(pid: int, number: int) -> None:
    """Send a signal; ignores a process that has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _folders(group: str) -> Iterable[Path]:
    """The group and all groups below it; os.walk skips groups that are removed meanwhile."""
    for root in roots():
        for folder, _, _ in os.walk(root / group):
            yield Path(folder)
