"""The lab's network namespaces: their creation and removal, and sockets inside them."""

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
    """Create the lab's namespace with its bridge, taps and routes."""
    run(["ip", "netns", "add", layout.namespace])
    argv = command_lines.in_namespace(layout.namespace, ["ip", "-batch", "-"])
    run(argv, stdin=command_lines.bridge_batch(spec))


def exists(layout: Layout) -> bool:
    """Whether the lab's namespace exists."""
    return (NETNS / layout.namespace).exists()


def namespaces(layout: Layout) -> list[str]:
    """The existing namespaces of a lab: the lab's, then its containers'."""
    if not NETNS.is_dir():
        return []
    existing = {path.name for path in NETNS.iterdir()}
    hosts = {path.name for path in (*layout.state.glob("hosts/*"), *layout.data.glob("*"))}
    hosts |= cgroups.children(layout.cgroup)
    expected = [layout.namespace, *sorted(layout.host(name).namespace for name in hosts)]
    return [name for name in expected if name in existing]


def processes_in(namespace: str) -> set[int]:
    """The processes in a namespace: guests, and commands that have entered it."""
    try:
        inode = (NETNS / namespace).stat().st_ino
    except OSError:
        return set()
    pids = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "ns/net").stat().st_ino == inode:
                pids.add(int(entry.name))
        except OSError:
            continue
    return pids


def remove(namespace: str) -> None:
    """Remove a namespace with all its links."""
    if not try_run(["ip", "netns", "del", namespace]) and (NETNS / namespace).exists():
        # A file without a mounted namespace: `ip netns add` was killed half-way.
        (NETNS / namespace).unlink(missing_ok=True)


def socket_in(namespace: str, family: socket.AddressFamily) -> socket.socket:
    """A TCP socket in the namespace; the caller stays outside.

    A thread has a namespace (setns(2)), so a new thread enters it, makes the socket and ends.
    """
    results: list[socket.socket | OSError] = []

    def enter() -> None:
        try:
            with (NETNS / namespace).open() as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            results.append(socket.socket(family, socket.SOCK_STREAM))
        except OSError as error:
            results.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(results[0], OSError):
        raise LabError(f"namespace {namespace} cannot be entered: {results[0].strerror}")
    return results[0]


def ssh_answers(namespace: str, address: str, timeout: float = 1.0) -> bool:
    """Whether an SSH server at `address`, port 22, sends its banner within `timeout` seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket_in(namespace, family) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect((address, 22))
            return probe.recv(4) == b"SSH-"
        except OSError:
            return False
