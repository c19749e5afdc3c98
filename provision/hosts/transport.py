"""Connections to a host's SSH port: direct, through a proxy command, or through jump hosts."""

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
    """A connected socket or a jump host's channel. `closers` are called in order by `close`."""

    sock: socket.socket | paramiko.Channel
    closers: list[Callable[[], None]] = field(default_factory=list)
    errors: IO[bytes] | None = None

    def stderr_text(self) -> str:
        """Return the standard error of the proxy command as one line."""
        if self.errors is None:
            return ""
        self.errors.seek(0)
        return " ".join(self.errors.read(2000).decode("utf-8", "replace").split())

    def close(self) -> None:
        """Close the socket and everything below it. A second call has no effect."""
        for close in (self.sock.close, *self.closers):
            with contextlib.suppress(Exception):
                close()


def dial(target: Target, login: Login) -> Connected:
    """Connect to a target's port. `login` authenticates to each jump host. Raises Unreachable."""
    if target.proxy_command:
        return _dial_command(target)
    if target.jumps:
        return _dial_jumps(target, login)
    return _dial_direct(target)


def _dial_direct(target: Target) -> Connected:
    try:
        sock = socket.create_connection((target.address, target.port), timeout=target.timeout)
    except (OSError, UnicodeError) as error:
        reason = (
            "no answer"
            if isinstance(error, TimeoutError)
            else getattr(error, "strerror", None) or str(error)
        )
        raise Unreachable(
            target.host,
            f"cannot connect to {target.address} port {target.port}: {reason}",
            "is the host up, ansible_host right, and the port open?",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connected(sock)


_proxies: set[subprocess.Popen[bytes]] = set()
_proxies_lock = threading.Lock()


@atexit.register
def _end_proxies() -> None:
    """End the proxy commands of abandoned logins, which keep trying to reach a silent host."""
    _proxies_lock.acquire()  # never released: no other proxy command may begin
    for process in tuple(_proxies):
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a proxy command with SIGTERM, as ssh(1) does.

    To wait until it sees the end of its input takes 64 ms a host: Popen.wait polls ever slower.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(5)
    _proxies.discard(process)


def _dial_command(target: Target) -> Connected:
    """Run the proxy command on one end of a socket pair: paramiko can wait on the other end."""
    near_end, far_end = socket.socketpair()
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the connection
    with _proxies_lock:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {target.proxy_command}"],
            stdin=far_end.fileno(),
            stdout=far_end.fileno(),
            stderr=errors,
            start_new_session=True,  # a Ctrl-C must not end the connection: a rollback needs it
        )
        _proxies.add(process)
    far_end.close()
    return Connected(near_end, [lambda: _end(process)], errors)


def _dial_jumps(target: Target, login: Login) -> Connected:
    """Connect through the jump hosts in order. The first jump host may need a proxy command."""
    hops = (*target.jumps, target)
    connected = dial(hops[0], login)
    closers = [connected.close]
    try:
        for hop, next_hop in itertools.pairwise(hops):
            connection = login(hop, connected)
            closers.insert(0, connection.client.close)
            connected = Connected(_forward(connection.transport, hop, next_hop), list(closers))
    except BaseException:
        for close in closers:
            with contextlib.suppress(Exception):
                close()
        raise
    return connected


def _forward(transport: paramiko.Transport, hop: Target, next_hop: Target) -> paramiko.Channel:
    destination = (next_hop.address, next_hop.port)
    try:
        return transport.open_channel(
            "direct-tcpip", destination, ("127.0.0.1", 0), timeout=next_hop.timeout
        )
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable(
            next_hop.host,
            f"the jump host {hop.address} cannot connect to "
            f"{next_hop.address} port {next_hop.port}: {error}",
            "is the host up, and may the jump host forward (AllowTcpForwarding)?",
        ) from error
