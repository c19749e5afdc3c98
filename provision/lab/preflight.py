"""The requirements of a lab on its machine, with messages that name a fix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import LabError
from provision.lab.command_lines import GUEST_RESIDENT
from provision.lab.plan import LabSpec
from provision.lab.subprocesses import try_run

# The Debian packages of the lab's commands.
PACKAGE_OF = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "apt-ftparchive": "apt-utils",
    "mke2fs": "e2fsprogs",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "socat": "socat",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}

IMAGE_SPACE = 4000
"""MB of disk for the first `up`: the image, its disk and two snapshots."""

HOST_SPACE = 700
"""MB of disk for a director, its snapshot included."""

NODE_RESIDENT = 40
"""MB of memory of a container."""


@dataclass(frozen=True)
class Machine:
    """The relevant properties of this machine; sizes in MB."""

    root: bool
    missing: Sequence[str]
    tun: bool
    namespaces: bool
    disk_free: int
    memory_free: int


def inspect(cache: Path) -> Machine:
    """The properties of this machine. Changes nothing."""
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    root = os.geteuid() == 0
    return Machine(
        root=root,
        missing=[command for command in PACKAGE_OF if not shutil.which(command)],
        tun=Path("/dev/net/tun").exists(),
        namespaces=not root or try_run(["unshare", "--net", "--mount", "true"]),
        disk_free=shutil.disk_usage(existing).free // 1_000_000,
        memory_free=available_memory(Path("/proc/meminfo").read_text()),
    )


def available_memory(meminfo: str) -> int:
    """MemAvailable in MB, from the text of /proc/meminfo."""
    line = next(line for line in meminfo.splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) // 1000


def check(spec: LabSpec, machine: Machine, *, image_built: bool) -> None:
    """Raise LabError for the first requirement that this machine does not meet."""
    if not machine.root:
        raise LabError(
            "the lab needs root: it creates network namespaces, mounts and containers",
            "sudo hactl lab up INVENTORY (sudo -E to keep your environment)",
        )
    if machine.missing:
        packages = " ".join(sorted({PACKAGE_OF[command] for command in machine.missing}))
        raise LabError(
            f"the lab needs commands that are not installed: {', '.join(machine.missing)}",
            f"apt-get install {packages}",
        )
    directors = sum(host.kind == "director" for host in spec.hosts)
    if directors and not machine.tun:
        raise LabError(
            "/dev/net/tun is missing, which the directors' network cards need",
            "modprobe tun, or mkdir -p /dev/net && mknod /dev/net/tun c 10 200",
        )
    if not machine.namespaces:
        raise LabError(
            "this machine does not let root create namespaces (a container without CAP_SYS_ADMIN?)",
            "run it on a machine, or in a container started with --privileged",
        )
    _check_sizes(spec, machine, directors, image_built)


def _check_sizes(spec: LabSpec, machine: Machine, directors: int, image_built: bool) -> None:
    disk = directors * HOST_SPACE + (0 if image_built else IMAGE_SPACE)
    if machine.disk_free < disk:
        raise LabError(
            f"the lab needs {disk} MB of disk, {machine.disk_free} MB are free",
            "delete files, or use a folder on a bigger disk: export HACTL_CACHE=/path",
        )
    memory = directors * GUEST_RESIDENT + (len(spec.hosts) - directors) * NODE_RESIDENT
    if machine.memory_free < memory:
        raise LabError(
            f"the lab needs {memory} MB of memory ({GUEST_RESIDENT} a director), "
            f"{machine.memory_free} MB are free",
            "stop other programs or other labs: hactl lab down INVENTORY",
        )
