"""Directors: QEMU guests, started cold or from their snapshot."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import LabError
from provision.lab import cgroups, command_lines, files, keys, network
from provision.lab.layout import Layout
from provision.lab.monitor import Agent, Monitor
from provision.lab.plan import LabHost, LabSpec
from provision.lab.subprocesses import run

BOOT_TIMEOUT = 240
"""Seconds; two guests boot in 25 s on two idle cores."""

SSH_TIMEOUT = 30
"""Seconds from the end of the boot to an answer of sshd."""


@dataclass(frozen=True)
class VmHost:
    """The image's folder and QEMU's accelerator, common to all directors of a lab."""

    image: Path
    accel: str


def snapshot_path(spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost) -> Path:
    """The path of a host's snapshot; its name is a digest of everything that it depends on."""
    argv = command_lines.qemu(spec, host, layout, vm_host.image, vm_host.accel, restore=False)
    version = run(["qemu-system-x86_64", "--version"])
    seed = files.seed_tar(files.seed(spec, host, keys.of_host(host, layout)))
    digest = hashlib.sha256(json.dumps([argv, version]).encode() + seed).hexdigest()[:16]
    return vm_host.image / "warm" / spec.name / f"{host.name}-{digest}.qcow2"


def start(spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost) -> bool:
    """Start a fresh director; returns whether it resumes from a snapshot."""
    paths = layout.host(host.name)
    paths.data.mkdir(parents=True, exist_ok=True)
    paths.seed.write_bytes(files.seed_tar(files.seed(spec, host, keys.of_host(host, layout))))
    paths.seed.chmod(0o600)
    snapshot = snapshot_path(spec, host, layout, vm_host)
    if snapshot.exists():
        run(["cp", "--reflink=auto", "--sparse=always", str(snapshot), str(paths.disk)])
    else:
        backing = str(vm_host.image / "disk.img")
        formats = ["-f", "qcow2", "-b", backing, "-F", "raw"]
        run(["qemu-img", "create", "-q", *formats, str(paths.disk)])
    power_on(spec, host, layout, vm_host, restore=snapshot.exists())
    return snapshot.exists()


def power_on(
    spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost, *, restore: bool = False
) -> None:
    """Start the guest from its disk; with `restore`, from the snapshot on the disk."""
    paths = layout.host(host.name)
    paths.state.mkdir(parents=True, exist_ok=True)
    for stale in (paths.qmp, paths.agent, paths.pid_file):
        stale.unlink(missing_ok=True)
    argv = command_lines.qemu(spec, host, layout, vm_host.image, vm_host.accel, restore=restore)
    guest = command_lines.in_namespace(layout.namespace, argv)
    run(command_lines.in_cgroups(cgroups.make(f"{layout.cgroup}/{host.name}"), guest))


def wait(host: LabHost, layout: Layout, *, restored: bool) -> None:
    """Wait until the director answers SSH; sets the clock of a restored director first."""
    paths = layout.host(host.name)
    with Agent(paths.agent) as agent:
        if restored:
            agent.set_clock()
        elif not agent.wait_for("ready", BOOT_TIMEOUT):
            raise LabError(
                f"{host.name} did not boot within {BOOT_TIMEOUT} s", f"see {paths.console}"
            )
    deadline = time.monotonic() + SSH_TIMEOUT
    while not network.ssh_answers(layout.namespace, host.address, timeout=5):
        if time.monotonic() > deadline:
            raise LabError(
                f"{host.name} is up but does not answer SSH at {host.address}",
                f"see {paths.console}",
            )
        time.sleep(0.1)


def save(spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost) -> None:
    """Save a snapshot of the director for the next `up`, and remove its older snapshots."""
    paths, target = layout.host(host.name), snapshot_path(spec, host, layout, vm_host)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_suffix(".partial")
    with Monitor(paths.qmp) as monitor:
        monitor.human("stop")
        try:
            monitor.human(f"savevm {command_lines.SNAPSHOT}")
            run(["cp", "--reflink=auto", "--sparse=always", str(paths.disk), str(partial)])
        finally:
            monitor.human("cont")
    with Agent(paths.agent) as agent:
        agent.set_clock()
    for old in target.parent.glob(f"{host.name}-{'?' * 16}.qcow2"):
        old.unlink()
    partial.rename(target)
