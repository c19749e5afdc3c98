"""Nodes: systemd containers on the image's root, with their changes in an overlay."""

from __future__ import annotations

import time

from provision.core.errors import LabError
from provision.lab import cgroups, command_lines, files, keys, network
from provision.lab.director import VmHost
from provision.lab.layout import Layout
from provision.lab.plan import LabHost, LabSpec
from provision.lab.subprocesses import run

BOOT_TIMEOUT = 60
"""Seconds; four containers boot in less than a second."""


def start(spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost) -> None:
    """Start a fresh container."""
    paths = layout.host(host.name)
    for folder in (paths.upper, paths.data / "work", paths.root, layout.share):
        folder.mkdir(parents=True, exist_ok=True)
    _write_seed(spec, host, layout)
    layers = (
        f"lowerdir={vm_host.image / 'root'},upperdir={paths.upper},workdir={paths.data / 'work'}"
    )
    run(["mount", "-t", "overlay", f"hl-{spec.name}", "-o", layers, str(paths.root)])
    power_on(spec, host, layout)


def power_on(spec: LabSpec, host: LabHost, layout: Layout) -> None:
    """Start the container from its present files."""
    paths = layout.host(host.name)
    paths.state.mkdir(parents=True, exist_ok=True)
    paths.runner.write_text(command_lines.container_runner(spec, host, layout))
    detached = 'setsid sh "$0" </dev/null >>"$1" 2>&1 & echo $! >"$2"'
    argv = ["sh", "-c", detached, str(paths.runner), str(paths.console), str(paths.pid_file)]
    run(command_lines.in_cgroups(cgroups.make(f"{layout.cgroup}/{host.name}"), argv))


def wait(host: LabHost, layout: Layout) -> None:
    """Wait until the container answers SSH."""
    paths = layout.host(host.name)
    deadline = time.monotonic() + BOOT_TIMEOUT
    while not network.ssh_answers(layout.namespace, host.address, timeout=0.25):
        if time.monotonic() > deadline or not cgroups.members(f"{layout.cgroup}/{host.name}"):
            output = "\n".join(paths.console.read_text(errors="replace").strip().splitlines()[-5:])
            raise LabError(
                f"{host.name} does not answer SSH at {host.address}:\n{output}",
                f"see {paths.console}",
            )
        time.sleep(0.05)


def _write_seed(spec: LabSpec, host: LabHost, layout: Layout) -> None:
    paths = layout.host(host.name)
    seed = files.seed(spec, host, keys.of_host(host, layout))
    (paths.upper / "root/.ssh").mkdir(parents=True, exist_ok=True)
    for folder in ("root", "root/.ssh"):
        (paths.upper / folder).chmod(0o700)
    for path, file in seed.items():
        target = paths.upper / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(file.text)
        target.chmod(file.mode)
