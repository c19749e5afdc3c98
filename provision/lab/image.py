"""The one image all lab hosts start from: built once, found again by the digest of its recipe."""

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

# What every host has from the start: a server as an installer leaves it, and the tools to look at it.
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

# What a deploy may install: in the hosts' local repository with all dependencies, not installed.
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

# Of these the image has the libraries, as installing them takes an emulated director half a minute.
DIRECTOR_PACKAGES = ("keepalived", "ipvsadm")

# The build's lock, and the control group of its processes; no lab can have such a name.
_LOCK = Path("locks/.image")
_GROUP = "hl-.image"

DISK_SIZE = "4G"  # of the directors; sparse


def recipe() -> Path:
    """The folder with the image's scripts and files."""
    return Path(str(resources.files("provision.lab"))) / "recipe"


def digest(folder: Path) -> str:
    """What the image depends on, as 16 hex digits: package lists, suite and every file of the recipe."""
    total = hashlib.sha256(
        json.dumps([SUITE, BASE_PACKAGES, DEPLOY_PACKAGES, DIRECTOR_PACKAGES, DISK_SIZE]).encode()
    )
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return total.hexdigest()[:16]


def location(cache: Path) -> Path:
    """Where the image of the present recipe is, or will be."""
    return cache / "images" / digest(recipe())


def mmdebstrap(root: Path, out: Path, folder: Path, sources: Path, settings: Path) -> list[str]:
    """The command that makes the root from these sources, with these settings of apt; the hook does the rest."""
    excluded = ("man", "doc", "locale", "info")
    hook = f'sh "{folder}/customize.sh" "$1" "{out}" "{" ".join(DIRECTOR_PACKAGES)}" {" ".join(DEPLOY_PACKAGES)}'
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
    """The image's folder, built first if it is missing (about a minute); two builds never run at once."""
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
    """Remove what a killed build left, processes included; returns whether there was anything.

    A build that is alive holds the lock, and is left alone.
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
    there = bool(cgroups.members(_GROUP) or partial)
    cgroups.kill(_GROUP)
    cgroups.remove(_GROUP)
    for folder in partial:
        cleanup.remove(folder)
    return there


def _prune(new: Path) -> None:
    """Remove images of older recipes that no lab stands on."""
    used = {json.loads(path.read_text())["image"] for path in RUN.glob("*/lab.json")}
    for folder in new.parent.iterdir():
        if folder != new and str(folder) not in used:
            cleanup.remove(folder)


def _build(image: Path, events: Events) -> None:
    work = image.with_name(f".{image.name}.partial")
    work.mkdir()
    work.chmod(0o755)  # apt's own user reads below it
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
    """Run mmdebstrap, passing on its steps; its full output is in build.log beside the image."""
    log = work / "build.log"
    with TemporaryDirectory(prefix="hactl-apt-") as folder:
        argv = mmdebstrap(work / "root", work, recipe(), *apt.write(Path(folder), SUITE))
        status = _run_build(command_lines.in_cgroups(cgroups.make(_GROUP), argv), log, events)
    if status:
        tail = "\n".join(log.read_text().strip().splitlines()[-5:])
        raise LabError(
            f"the image cannot be built:\n{tail}",
            f"see {log}; mend what it names (often: no way to the Debian mirror of this machine's apt), "
            "then run the command again",
        )


def _run_build(argv: Sequence[str], log: Path, events: Events) -> int:
    """The exit status of a build whose output goes to the log, and whose steps are passed on."""
    with (
        log.open("w") as file,
        subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=file, text=True) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            file.write(line)
            if line.startswith(("I: ", "lab-image: ")) and not line.startswith(
                "I: running --customize-hook"
            ):
                events(f"image: {line.partition(': ')[2].strip()}")
    return process.returncode


def kvm_works(image: Path, cache: Path, events: Events, timeout: float = 10) -> bool:
    """Whether a guest kernel really boots under KVM here; /dev/kvm alone proves nothing.

    A broken KVM hangs, so the answer is kept for this kernel and processor.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    machine = os.uname().release + _processor()
    answer = image / f"kvm-{hashlib.sha256(machine.encode()).hexdigest()[:12]}"
    with lock(cache / _LOCK, events, "another lab is trying KVM; waiting for it"):
        if not answer.exists():
            events("trying KVM")
            answer.write_text("yes" if _boots_under_kvm(image, timeout) else "no")
        return answer.read_text() == "yes"


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
def lock(path: Path, events: Events, waiting: str) -> Iterator[None]:
    """Hold the lock file; says `waiting` when somebody else does. The kernel frees it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            events(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
