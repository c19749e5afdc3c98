"""Control groups: one for each host, in whatever layout the machine has. They hold every process of a host.

Version 2 alone has one hierarchy; the hybrid layout has `name=systemd` (version 1) besides it, and systemd in
a container uses that one (systemd.io/CGROUP_DELEGATION). A host has a group in each.
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
    """The roots of the hierarchies systemd uses, from the text of /proc/self/mounts."""
    found = []
    for line in mounts.splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(target))
    return list(dict.fromkeys(found))


def roots() -> list[Path]:
    """This machine's hierarchies; raises LabError when systemd could not run in a container here."""
    found = [
        path
        for path in hierarchies(Path("/proc/self/mounts").read_text())
        if os.access(path, os.W_OK)
    ]
    if not found:
        raise LabError(
            "no writable control group hierarchy of systemd is mounted",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )
    return found


def make(group: str) -> list[Path]:
    """The groups of that name, one in each hierarchy, made if needed."""
    paths = [root / group for root in roots()]
    for path in paths:
        path.mkdir(parents=True, exist_ok=True)
    return paths


def members(group: str) -> set[int]:
    """The processes in the group and below it."""
    found: set[int] = set()
    for folder in _folders(group):
        try:
            found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue  # a container removed it meanwhile
    return found - {0}


def exists(group: str) -> bool:
    """Whether there is a group of that name in any hierarchy."""
    return any((root / group).exists() for root in roots())


def children(group: str) -> set[str]:
    """The names of the groups right below it: of a lab, its hosts."""
    return {path.name for root in roots() for path in (root / group).glob("*") if path.is_dir()}


def kill(group: str, patience: float = 10) -> None:
    """SIGKILL everything in the group until it is empty; raises LabError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while pids := members(group):
        for pid in pids:
            send(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(
                f"processes {sorted(pids)} of {group} do not die",
                "look at them with ps; then again",
            )
        time.sleep(0.01)


def remove(group: str) -> None:
    """Remove the emptied group, deepest folders first; raises LabError when one stays busy."""
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
    """Send a signal; a process that has gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _folders(group: str) -> Iterable[Path]:
    """The group and all below it; os.walk passes over what a container removes meanwhile."""
    for root in roots():
        for folder, _, _ in os.walk(root / group):
            yield Path(folder)
