"""Directors: QEMU guests. Starting them cold or from their snapshot, and cutting their power."""

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

BOOT_PATIENCE = 240  # seconds; two guests take 25 on two idle cores


@dataclass(frozen=True)
class VmHost:
    """What all directors of a lab stand on: the image's folder and QEMU's accelerator."""

    image: Path
    accel: str


def snapshot_path(spec: LabSpec, host: LabHost, layout: Layout, ground: VmHost) -> Path:
    """Where the host's snapshot is: named by everything it depends on, so a change of any makes a new one."""
    argv = command_lines.qemu(spec, host, layout, ground.image, ground.accel, restore=False)
    version = run(["qemu-system-x86_64", "--version"])
    seed = files.seed_tar(files.seed(spec, host, keys.of_host(host, layout)))
    total = hashlib.sha256(json.dumps([argv, version]).encode() + seed).hexdigest()[:16]
    return ground.image / "warm" / spec.name / f"{host.name}-{total}.qcow2"


def start(spec: LabSpec, host: LabHost, layout: Layout, ground: VmHost) -> bool:
    """Start a fresh director; returns whether it was restored from a snapshot."""
    at = layout.host(host.name)
    at.data.mkdir(parents=True, exist_ok=True)
    at.seed.write_bytes(files.seed_tar(files.seed(spec, host, keys.of_host(host, layout))))
    at.seed.chmod(0o600)
    snapshot = snapshot_path(spec, host, layout, ground)
    if snapshot.exists():
        run(["cp", "--reflink=auto", "--sparse=always", str(snapshot), str(at.disk)])
    else:
        backing = str(ground.image / "disk.img")
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw", str(at.disk)])
    power_on(spec, host, layout, ground, restore=snapshot.exists())
    return snapshot.exists()


def power_on(
    spec: LabSpec, host: LabHost, layout: Layout, ground: VmHost, *, restore: bool = False
) -> None:
    """Start the guest from its disk as that is; `restore` from the snapshot in it."""
    at = layout.host(host.name)
    at.state.mkdir(parents=True, exist_ok=True)
    for left in (at.qmp, at.agent, at.pid_file):
        left.unlink(missing_ok=True)
    argv = command_lines.qemu(spec, host, layout, ground.image, ground.accel, restore=restore)
    inside = command_lines.in_namespace(layout.namespace, argv)
    run(command_lines.in_cgroups(cgroups.make(f"{layout.cgroup}/{host.name}"), inside))


def wait(host: LabHost, layout: Layout, *, restored: bool) -> None:
    """Until the director is up and answers SSH; a restored one gets the time of day first."""
    at = layout.host(host.name)
    with Agent(at.agent) as agent:
        if restored:
            agent.set_clock()
        elif not agent.heard("ready", BOOT_PATIENCE):
            raise LabError(
                f"{host.name} did not boot within {BOOT_PATIENCE} s", f"see {at.console}"
            )
    deadline = time.monotonic() + 30
    while not network.ssh_answers(layout.namespace, host.address, timeout=5):
        if time.monotonic() > deadline:
            raise LabError(
                f"{host.name} is up but does not answer SSH at {host.address}", f"see {at.console}"
            )
        time.sleep(0.1)


def save(spec: LabSpec, host: LabHost, layout: Layout, ground: VmHost) -> None:
    """Keep a snapshot of the director as it is now, for the next `up`; older ones of this host go."""
    at, target = layout.host(host.name), snapshot_path(spec, host, layout, ground)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_suffix(".partial")
    with Monitor(at.qmp) as monitor:
        monitor.human("stop")
        try:
            monitor.human(f"savevm {command_lines.SNAPSHOT}")
            run(["cp", "--reflink=auto", "--sparse=always", str(at.disk), str(partial)])
        finally:
            monitor.human("cont")
    with Agent(at.agent) as agent:
        agent.set_clock()
    for old in target.parent.glob(f"{host.name}-{'?' * 16}.qcow2"):
        old.unlink()
    partial.rename(target)
