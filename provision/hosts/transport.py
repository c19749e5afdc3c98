"""Getting bytes to a host's SSH port: straight, through a proxy command, or through jump hosts."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import paramiko

from provision.core.errors import Unreachable
from provision.hosts.target import Target

Login = Callable[[Target, "Connected"], Any]


@dataclass
class Connected:
    """A connected socket (or a jump host's channel), and what must be closed with it, innermost first."""

    sock: socket.socket | paramiko.Channel
    closers: list[Callable[[], None]] = field(default_factory=list)
    errors: IO[bytes] | None = None

    def complaint(self) -> str:
        """What the proxy command wrote to its standard error, in one line."""
        if self.errors is None:
            return ""
        self.errors.seek(0)
        return " ".join(self.errors.read(2000).decode("utf-8", "replace").split())

    def close(self) -> None:
        """Close it all; closing twice does no harm."""
        for close in (self.sock.close, *self.closers):
            with contextlib.suppress(Exception):
                close()


def dial(target: Target, login: Login) -> Connected:
    """Connect to a target's port; `login` authenticates to each jump host on the way. Raises Unreachable."""
    if target.proxy_command:
        return _through_command(target)
    if target.jumps:
        return _through_jumps(target, login)
    return _straight(target)


def _straight(target: Target) -> Connected:
    try:
        sock = socket.create_connection((target.address, target.port), timeout=target.timeout)
    except (OSError, UnicodeError) as error:
        why = (
            "no answer"
            if isinstance(error, TimeoutError)
            else getattr(error, "strerror", None) or str(error)
        )
        raise Unreachable(
            target.host,
            f"cannot connect to {target.address} port {target.port}: {why}",
            "is the host up, ansible_host right, and the port open?",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connected(sock)


_proxies: set[subprocess.Popen[bytes]] = set()
_gate = threading.Lock()


@atexit.register
def _end_proxies() -> None:
    """End the proxy commands of logins that nobody waited for: they would go on trying to reach a silent host."""
    _gate.acquire()  # for good: no other begins
    for process in tuple(_proxies):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """As ssh(1) does. Waiting for it to see the end of file takes 64 ms a host: Popen.wait polls, ever more slowly."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(5)
    _proxies.discard(process)


def _through_command(target: Target) -> Connected:
    """The proxy command's standard input and output on one end of a socket pair, which paramiko can wait on."""
    ours, theirs = socket.socketpair()
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the connection
    with _gate:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {target.proxy_command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=errors,
            start_new_session=True,  # Ctrl-C must not cut the connection that a rollback still needs
        )
        _proxies.add(process)
    theirs.close()
    return Connected(ours, [lambda: _end(process)], errors)


def _through_jumps(target: Target, login: Login) -> Connected:
    """A channel through one jump host after the other; the first may itself need a proxy command."""
    hops = (*target.jumps, target)
    dialled = dial(hops[0], login)
    closers = [dialled.close]
    try:
        for hop, after in itertools.pairwise(hops):
            connection = login(hop, dialled)
            closers.insert(0, connection.client.close)
            dialled = Connected(_forward(connection.transport, hop, after), list(closers))
    except BaseException:
        for close in closers:
            with contextlib.suppress(Exception):
                close()
        raise
    return dialled


def _forward(transport: paramiko.Transport, hop: Target, after: Target) -> paramiko.Channel:
    try:
        return transport.open_channel(
            "direct-tcpip", (after.address, after.port), ("127.0.0.1", 0), timeout=after.timeout
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(
            after.host,
            f"the jump host {hop.address} cannot connect to {after.address} port {after.port}: {error}",
            "is the host up, and may the jump host forward (AllowTcpForwarding)?",
        ) from error
