"""The image of all lab hosts: built once, and named by the digest of its recipe."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from provision.core.errors import LabError
from provision.lab import apt, cgroups, cleanup, command_lines
from provision.lab.layout import RUN
from provision.lab.subprocesses import run

Events = Callable[[str], None]

SUITE = "bookworm"

# Installed packages: those of a freshly installed server, and tools to inspect it.
BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "ifupdown",
    "openssh-server",
    "iproute2",
    "iputils-ping",
    "iputils-arping",
    "procps",
    "kmod",
    "curl",
    "python3",
    "tcpdump",
    "nftables",
)

# Packages for deploys: in the hosts' local repository with all dependencies, but not installed.
DEPLOY_PACKAGES = (
    "keepalived",
    "ipvsadm",
    "nginx",
    "nginx-light",
    "firewalld",
    "sudo",
    "busybox",
    "conntrack",
    "openjdk-17-jre-headless",
    "zookeeper",
)

# The image has the libraries of these: an emulated director needs half a minute to install them.
DIRECTOR_PACKAGES = ("keepalived", "ipvsadm")

# The build's lock, and the control group of its processes; no lab can have this name.
_LOCK = Path("locks/.image")
_GROUP = "hl-.image"

DISK_SIZE = "4G"  # of the directors; sparse


def recipe() -> Path:
    """The folder with the image's scripts and files."""
    return Path(str(resources.files("provision.lab"))) / "recipe"


def digest(folder: Path) -> str:
    """The digest of the package lists, the suite and the recipe's files, as 16 hex digits."""
    total = hashlib.sha256(
        json.dumps([SUITE, BASE_PACKAGES, DEPLOY_PACKAGES, DIRECTOR_PACKAGES, DISK_SIZE]).encode()
    )
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def location(cache: Path) -> Path:
    """The folder of the present recipe's image."""
    return cache / "images" / digest(recipe())


def mmdebstrap(root: Path, out: Path, folder: Path, sources: Path, settings: Path) -> list[str]:
    """The command that builds the root from apt's sources and settings; a hook runs the recipe."""
    excluded = ("man", "doc", "locale", "info")
    packages = f'"{" ".join(DIRECTOR_PACKAGES)}" {" ".join(DEPLOY_PACKAGES)}'
    hook = f'sh "{folder}/customize.sh" "$1" "{out}" {packages}'
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--skip=cleanup/apt",
        f"--aptopt={settings}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in excluded),
        f"--include={','.join(BASE_PACKAGES)}",
        f"--customize-hook={hook}",
        SUITE,
        str(root),
        str(sources),
    ]


def ensure(cache: Path, events: Events) -> Path:
    """The image's folder; builds a missing image in about a minute, one build at a time."""
    image = location(cache)
    if image.is_dir():
        return image
    image.parent.mkdir(parents=True, exist_ok=True)
    with lock(cache / _LOCK, events, "another lab is building the image; waiting for it"):
        if not image.is_dir():
            events("building the lab's image, once (about a minute)")
            _clear(image.parent)
            _build(image, events)
            _prune(image)
    return image


def clear_orphans(cache: Path) -> bool:
    """Remove files and processes of a killed build; returns whether there were any.

    A running build holds the lock, and is not touched.
    """
    if not (cache / _LOCK).exists():
        return False
    with (cache / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return _clear(cache / "images")


def _clear(images: Path) -> bool:
    partial = list(images.glob(".*.partial"))
    present = bool(cgroups.members(_GROUP) or partial)
    cgroups.kill(_GROUP)
    cgroups.remove(_GROUP)
    for folder in partial:
        cleanup.remove(folder)
    return present


def _prune(new: Path) -> None:
    """Remove images of older recipes that no lab uses."""
    used = {json.loads(path.read_text())["image"] for path in RUN.glob("*/lab.json")}
    for folder in new.parent.iterdir():
        if folder != new and str(folder) not in used:
            cleanup.remove(folder)


def _build(image: Path, events: Events) -> None:
    work = image.with_name(f".{image.name}.partial")
    work.mkdir()
    work.chmod(0o755)  # apt's user reads below it
    (work / "warm").mkdir(mode=0o700)
    _mmdebstrap(work, events)
    events("writing the directors' disk")
    disk = str(work / "disk.img")
    run(
        ["mke2fs", "-q", "-t", "ext4", "-L", "lab", "-d", str(work / "root"), disk, DISK_SIZE],
        timeout=300,
    )
    cgroups.remove(_GROUP)
    work.rename(image)


def _mmdebstrap(work: Path, events: Events) -> None:
    """Run mmdebstrap and report its steps; its full output is in the image's build.log."""
    log = work / "build.log"
    with TemporaryDirectory(prefix="hactl-apt-") as folder:
        argv = mmdebstrap(work / "root", work, recipe(), *apt.write(Path(folder), SUITE))
        status = _run_build(command_lines.in_cgroups(cgroups.make(_GROUP), argv), log, events)
    if status:
        tail = "\n".join(log.read_text().strip().splitlines()[-5:])
        raise LabError(
            f"the image cannot be built:\n{tail}",
            f"fix the cause in {log} (often this machine cannot reach its Debian mirror), "
            "then run the command again",
        )


def _run_build(argv: Sequence[str], log: Path, events: Events) -> int:
    """Run a build with its output in the log, and report its steps; returns the exit status."""
    with (
        log.open("w") as file,
        subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=file, text=True) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            file.write(line)
            is_step = line.startswith(("I: ", "lab-image: "))
            if is_step and not line.startswith("I: running --customize-hook"):
                events(f"image: {line.partition(': ')[2].strip()}")
    return process.returncode


def kvm_works(image: Path, cache: Path, events: Events, timeout: float = 10) -> bool:
    """Whether a guest kernel boots under KVM here, since /dev/kvm alone is no proof.

    A broken KVM hangs, so the result is saved for this kernel and processor.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    machine = os.uname().release + _processor()
    result = image / f"kvm-{hashlib.sha256(machine.encode()).hexdigest()[:12]}"
    with lock(cache / _LOCK, events, "another lab is testing KVM; waiting for it"):
        if not result.exists():
            events("testing KVM")
            result.write_text("yes" if _boots_under_kvm(image, timeout) else "no")
        return result.read_text() == "yes"


def _boots_under_kvm(image: Path, timeout: float) -> bool:
    argv = command_lines.in_cgroups(cgroups.make(_GROUP), command_lines.kvm_probe(image))
    try:
        done = subprocess.run(
            argv, capture_output=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        cgroups.kill(_GROUP)
        cgroups.remove(_GROUP)
    return b"Kernel panic" in done.stdout


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line for line in lines if line.startswith("model name")), "")


@contextmanager
def lock(path: Path, events: Events, wait_message: str) -> Iterator[None]:
    """Hold a lock file; reports `wait_message` if it must wait. The kernel unlocks at our exit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            events(wait_message)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
