"""The lab's commands: up, down, status, shell, cut and boot; changes hold the lab's lock."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provision.core.errors import LabError
from provision.lab import (
    cgroups,
    cleanup,
    command_lines,
    director,
    files,
    image,
    keys,
    network,
    node,
    preflight,
)
from provision.lab.director import VmHost
from provision.lab.image import Events
from provision.lab.layout import Layout, cache_root
from provision.lab.monitor import Monitor
from provision.lab.plan import LabHost, LabSpec, lab_name
from provision.lab.subprocesses import run, try_run


@dataclass(frozen=True)
class LabHostStatus:
    """The state of a lab's host."""

    name: str
    kind: str
    address: str
    running: bool
    answers_ssh: bool


@dataclass(frozen=True)
class LabStatus:
    """The state of a lab; `ready` is true after `up` has finished."""

    name: str
    ready: bool
    ssh_config: Path
    hosts: tuple[LabHostStatus, ...]


def up(spec: LabSpec, events: Events, machine: preflight.Machine | None = None) -> None:
    """Start the lab with fresh hosts, and wait until they answer SSH; boots hosts of a running lab.

    Raises LabError if the machine does not meet the lab's needs, or a lab of this name has other
    hosts.
    """
    layout = Layout(spec.name, cache_root())
    built = image.location(layout.cache).is_dir()
    machine = machine or preflight.inspect(layout.cache)
    if not machine.root:
        preflight.check(spec, machine, image_built=built)
    with _locked(layout, events):
        if _is_up(spec, layout):
            _boot_missing(spec, layout, events)
            events(f"lab {spec.name} is up; ssh -F {layout.ssh_config} HOST")
            return
        preflight.check(spec, machine, image_built=built)
        if _remove(layout):
            events(f"lab {spec.name}: removed the remains of an interrupted start")
        # The permissions of the hosts' files must not depend on the operator's umask.
        mask = os.umask(0o022)
        try:
            _start(spec, layout, events)
        except KeyboardInterrupt:
            _remove(layout)
            raise
        finally:
            os.umask(mask)


def down(name: str, events: Events) -> bool:
    """Remove the lab with all its hosts; returns False if there is nothing to remove."""
    layout = _layout(name)
    _need_root()
    with _locked(layout, events):
        removed = _remove(layout)
    events(
        f"lab {layout.name} is down" if removed else f"lab {layout.name} is not up; nothing to do"
    )
    return removed


def status(name: str) -> LabStatus | None:
    """The state of the lab and its hosts, or None if there is no lab of that name."""
    layout = _layout(name)
    if not layout.record.exists():
        return None
    _need_root()
    spec = _read(layout)[0]
    with ThreadPoolExecutor(8) as pool:
        hosts = tuple(pool.map(lambda host: _host_status(host, layout), spec.hosts))
    return LabStatus(layout.name, layout.ready.exists(), layout.ssh_config, hosts)


def shell(name: str, host: str, argv: Sequence[str] = ()) -> int:
    """Log in to a host, or run a command there; returns ssh's exit code."""
    layout = _layout(name)
    _existing(layout).host(host)
    return subprocess.run(
        ["ssh", "-F", str(layout.ssh_config), host, *([shlex.join(argv)] if argv else [])],
        check=False,
    ).returncode


def cut(name: str, host: str, events: Events) -> float:
    """Cut the host's power, without shutdown. Returns time.monotonic() just after the power cut."""
    layout = _layout(name)
    spec = _existing(layout)
    target = spec.host(host)
    with _locked(layout, events):
        group = f"{layout.cgroup}/{host}"
        if not cgroups.members(group):
            raise LabError(f"{host} is off already", f"hactl lab boot {host}")
        if target.kind == "node":
            # Remove the network first, so that no dying socket sends a packet, and its namespace
            # with it, since the kernel would answer ARP from it.
            for command in command_lines.container_unnetwork(spec, target, layout):
                try_run(command)
        cgroups.kill(group)
        cut_at = time.monotonic()
    events(f"{host}: power cut")
    return cut_at


def boot(name: str, host: str, events: Events) -> None:
    """Boot a host after a power cut or a halt, with its old disk; waits until it answers SSH."""
    layout = _layout(name)
    spec = _existing(layout)
    target = spec.host(host)
    with _locked(layout, events):
        if cgroups.members(f"{layout.cgroup}/{host}"):
            raise LabError(f"{host} is running", f"hactl lab cut {host} cuts its power")
        _power_on(spec, target, layout, events)


def unplug(name: str, host: str, events: Events) -> float:
    """Pull the host's network cable (no carrier). Returns time.monotonic() just before."""
    return _set_cable(name, host, events, plugged=False)


def plug(name: str, host: str, events: Events) -> float:
    """Plug the host's network cable in. Returns time.monotonic() just before."""
    return _set_cable(name, host, events, plugged=True)


def _set_cable(name: str, host: str, events: Events, *, plugged: bool) -> float:
    layout = _layout(name)
    spec = _existing(layout)
    target = spec.host(host)
    with _locked(layout, events):
        if not cgroups.members(f"{layout.cgroup}/{host}"):
            raise LabError(f"{host} is off", f"hactl lab boot {host}")
        changed_at = time.monotonic()
        if target.kind == "director":
            with Monitor(layout.host(host).qmp) as monitor:
                monitor.execute("set_link", name=command_lines.NETDEV, up=plugged)
        else:
            run(command_lines.container_carrier(spec, target, layout, up=plugged))
    events(f"{host}: cable {'plugged in' if plugged else 'pulled'}")
    return changed_at


def _power_on(spec: LabSpec, host: LabHost, layout: Layout, events: Events) -> None:
    began = time.monotonic()
    cgroups.remove(f"{layout.cgroup}/{host.name}")
    if host.kind == "director":
        events(f"{host.name}: booting (up to half a minute)")
        director.power_on(spec, host, layout, _read(layout)[1])
        director.wait(host, layout, restored=False)
    else:
        node.power_on(spec, host, layout)
        node.wait(host, layout)
    events(f"{host.name}: up after {time.monotonic() - began:.1f} s")


def _is_up(spec: LabSpec, layout: Layout) -> bool:
    """Whether this lab is up. Raises LabError if a lab of its name has other hosts."""
    if not (layout.ready.exists() and network.exists(layout)):
        return False
    if not _read(layout)[0].same_hosts(spec):
        raise LabError(
            f"a lab named {spec.name} is up with other hosts or addresses",
            "hactl lab down INVENTORY, then up again; or copy this inventory to another file name",
        )
    return True


def _boot_missing(spec: LabSpec, layout: Layout, events: Events) -> None:
    for host in spec.hosts:
        if not cgroups.members(f"{layout.cgroup}/{host.name}"):
            _power_on(spec, host, layout, events)


def _start(spec: LabSpec, layout: Layout, events: Events) -> None:
    began = time.monotonic()
    # The state folder first: from now on `down` finds the lab.
    layout.state.mkdir(parents=True, mode=0o700)
    layout.data.mkdir(parents=True, mode=0o700)
    built = image.ensure(layout.cache, events)
    directors = any(host.kind == "director" for host in spec.hosts)
    kvm = directors and image.kvm_works(built, layout.cache, events)
    if directors and not kvm:
        reason = "no guest boots under /dev/kvm" if Path("/dev/kvm").exists() else "no /dev/kvm"
        events(f"{reason}: directors are emulated, 10 to 20 times slower")
    vm_host = VmHost(built, command_lines.accelerator(kvm))
    keys.ensure(spec, layout)
    _write_state(spec, layout, vm_host)
    network.make(spec, layout)
    for host in spec.hosts:
        layout.host(host.name).state.mkdir(parents=True)
    with ThreadPoolExecutor(min(len(spec.hosts), 16)) as pool:
        # Directors first, since they take longest.
        ordered = sorted(spec.hosts, key=lambda host: host.kind)
        pending = [
            pool.submit(_start_host, spec, host, layout, vm_host, events) for host in ordered
        ]
        try:
            for future in as_completed(pending):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            cgroups.kill(layout.cgroup)  # ends all waits; the logs stay
            raise
    layout.ready.touch()
    seconds = time.monotonic() - began
    events(f"lab {spec.name} is up after {seconds:.1f} s; ssh -F {layout.ssh_config} HOST")


def _start_host(
    spec: LabSpec, host: LabHost, layout: Layout, vm_host: VmHost, events: Events
) -> None:
    began = time.monotonic()
    if host.kind == "node":
        node.start(spec, host, layout, vm_host)
        node.wait(host, layout)
        events(f"{host.name}: up after {time.monotonic() - began:.1f} s")
        return
    restored = director.start(spec, host, layout, vm_host)
    events(f"{host.name}: {'restoring its snapshot' if restored else 'booting for the first time'}")
    director.wait(host, layout, restored=restored)
    events(f"{host.name}: up after {time.monotonic() - began:.1f} s")
    if not restored:
        director.save(spec, host, layout, vm_host)
        events(f"{host.name}: snapshot saved for the next start")


def _write_state(spec: LabSpec, layout: Layout, vm_host: VmHost) -> None:
    public = {host.name: keys.public(host, layout) for host in spec.hosts}
    layout.known_hosts.write_text(files.known_hosts(spec, public))
    layout.ssh_config.write_text(files.ssh_config(spec, layout))
    record = {
        "spec": spec.to_json(),
        "image": str(vm_host.image),
        "accel": vm_host.accel,
        "cache": str(layout.cache),
    }
    layout.record.write_text(json.dumps(record, indent=1))


def _read(layout: Layout) -> tuple[LabSpec, VmHost]:
    record = json.loads(layout.record.read_text())
    return LabSpec.from_json(record["spec"]), VmHost(Path(record["image"]), record["accel"])


def _layout(name: str) -> Layout:
    """The layout of a lab by name, with the cache that it was started with."""
    layout = Layout(lab_name(name), cache_root())
    if layout.record.exists():
        return Layout(layout.name, Path(json.loads(layout.record.read_text())["cache"]))
    return layout


def _existing(layout: Layout) -> LabSpec:
    _need_root()
    if not layout.ready.exists():
        raise LabError(f"lab {layout.name} is not up", "hactl lab up INVENTORY")
    return _read(layout)[0]


def layout_of_running(name: str) -> tuple[Layout, LabSpec]:
    """The layout and the hosts of a running lab. Raises LabError if it is not up."""
    layout = _layout(name)
    return layout, _existing(layout)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise LabError("the lab needs root", "run the command again with sudo")


def _host_status(host: LabHost, layout: Layout) -> LabHostStatus:
    running = bool(cgroups.members(f"{layout.cgroup}/{host.name}"))
    answers = running and network.ssh_answers(layout.namespace, host.address, timeout=3)
    return LabHostStatus(host.name, host.kind, host.address, running, answers)


def _remove(layout: Layout) -> bool:
    """Remove everything with the lab's name, in any state; returns whether present was anything."""
    namespaces = network.namespaces(layout)
    present = (
        layout.state.exists() or layout.data.exists() or namespaces or cgroups.exists(layout.cgroup)
    )
    present = image.clear_orphans(layout.cache) or present
    cgroups.kill(layout.cgroup)
    for namespace in namespaces:
        for pid in network.processes_in(namespace) - {os.getpid()}:
            cgroups.send(pid, signal.SIGKILL)
    for namespace in reversed(namespaces):
        network.remove(namespace)
    cgroups.remove(layout.cgroup)
    cleanup.remove(layout.data)
    cleanup.remove(layout.state)
    for partial in (layout.cache / "images").glob(f"*/warm/{layout.name}/*.partial"):
        partial.unlink()
    return bool(present)


@contextmanager
def _locked(layout: Layout, events: Events) -> Iterator[None]:
    wait_message = f"another command changes lab {layout.name}; waiting for it"
    with image.lock(layout.lock, events, wait_message):
        yield
