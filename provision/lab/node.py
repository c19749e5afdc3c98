"""Nodes: systemd containers on the image's root, with their changes in an overlay of their own."""

from __future__ import annotations

import time

from provision.core.errors import LabError
from provision.lab import cgroups, command_lines, files, keys, network
from provision.lab.director import VmHost
from provision.lab.layout import Layout
from provision.lab.plan import LabHost, LabSpec
from provision.lab.subprocesses import run

BOOT_PATIENCE = 60  # seconds; four containers take less than one


def start(spec: LabSpec, host: LabHost, layout: Layout, ground: VmHost) -> None:
    """Start a fresh container."""
    at = layout.host(host.name)
    for folder in (at.upper, at.data / "work", at.root, layout.share):
        folder.mkdir(parents=True, exist_ok=True)
    _write_seed(spec, host, layout)
    layers = f"lowerdir={ground.image / 'root'},upperdir={at.upper},workdir={at.data / 'work'}"
    run(["mount", "-t", "overlay", f"hl-{spec.name}", "-o", layers, str(at.root)])
    power_on(spec, host, layout)


def power_on(spec: LabSpec, host: LabHost, layout: Layout) -> None:
    """Start the container from its files as they are."""
    at = layout.host(host.name)
    at.state.mkdir(parents=True, exist_ok=True)
    at.runner.write_text(command_lines.container_runner(spec, host, layout))
    detached = 'setsid sh "$0" </dev/null >>"$1" 2>&1 & echo $! >"$2"'
    argv = ["sh", "-c", detached, str(at.runner), str(at.console), str(at.pid_file)]
    run(command_lines.in_cgroups(cgroups.make(f"{layout.cgroup}/{host.name}"), argv))


def wait(host: LabHost, layout: Layout) -> None:
    """Until the container answers SSH."""
    at = layout.host(host.name)
    deadline = time.monotonic() + BOOT_PATIENCE
    while not network.ssh_answers(layout.namespace, host.address, timeout=0.25):
        if time.monotonic() > deadline or not cgroups.members(f"{layout.cgroup}/{host.name}"):
            said = "\n".join(at.console.read_text(errors="replace").strip().splitlines()[-5:])
            raise LabError(
                f"{host.name} does not answer SSH at {host.address}:\n{said}", f"see {at.console}"
            )
        time.sleep(0.05)


def _write_seed(spec: LabSpec, host: LabHost, layout: Layout) -> None:
    at = layout.host(host.name)
    made = files.seed(spec, host, keys.of_host(host, layout))
    (at.upper / "root/.ssh").mkdir(parents=True, exist_ok=True)
    for folder in ("root", "root/.ssh"):
        (at.upper / folder).chmod(0o700)
    for path, file in made.items():
        target = at.upper / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(file.text)
        target.chmod(file.mode)
