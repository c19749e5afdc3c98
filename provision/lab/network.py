"""The lab's namespaces: making and removing them, and sockets inside them."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path

from provision.core.errors import LabError
from provision.lab import cgroups, command_lines
from provision.lab.layout import NETNS, Layout
from provision.lab.plan import LabSpec
from provision.lab.subprocesses import run, try_run

_CLONE_NEWNET = 0x40000000  # setns(2)


def make(spec: LabSpec, layout: Layout) -> None:
    """The lab's own namespace with its bridge, taps and routes."""
    run(["ip", "netns", "add", layout.namespace])
    argv = command_lines.in_namespace(layout.namespace, ["ip", "-batch", "-"])
    run(argv, stdin=command_lines.bridge_batch(spec))


def exists(layout: Layout) -> bool:
    """Whether the lab's own namespace is there."""
    return (NETNS / layout.namespace).exists()


def namespaces(layout: Layout) -> list[str]:
    """The namespaces of this lab: its own, then those of its containers."""
    if not NETNS.is_dir():
        return []
    names = {path.name for path in NETNS.iterdir()}
    known = {p.name for p in (*layout.state.glob("hosts/*"), *layout.data.glob("*"))}
    known |= cgroups.children(layout.cgroup)
    mine = [layout.namespace, *sorted(layout.host(name).namespace for name in known)]
    return [name for name in mine if name in names]


def processes_in(namespace: str) -> set[int]:
    """The processes whose network is that namespace: guests, and whoever looks into it."""
    try:
        inode = (NETNS / namespace).stat().st_ino
    except OSError:
        return set()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "ns/net").stat().st_ino == inode:
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def remove(namespace: str) -> None:
    """Remove one namespace and with it every link inside."""
    if not try_run(["ip", "netns", "del", namespace]) and (NETNS / namespace).exists():
        # A namespace file without a namespace mounted on it: `ip netns add` was killed half-way.
        (NETNS / namespace).unlink(missing_ok=True)


def socket_in(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket inside the namespace; it stays there while the caller is elsewhere.

    Namespaces belong to threads (setns(2)), so a thread of its own enters and ends.
    """
    made: list[socket.socket | OSError] = []

    def enter() -> None:
        try:
            with (NETNS / namespace).open() as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            made.append(socket.socket(family, socket.SOCK_STREAM))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise LabError(f"namespace {namespace} cannot be entered: {made[0].strerror}")
    return made[0]


def ssh_answers(namespace: str, address: str, timeout: float = 1.0) -> bool:
    """Whether an SSH server greets at `address`, port 22, within `timeout` seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket_in(namespace, family) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect((address, 22))
            return probe.recv(4) == b"SSH-"
        except OSError:
            return False
