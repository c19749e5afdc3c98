"""SSH logins: Fabric's Connection over a socket that hactl opens, with agents on raw channels.

hactl opens the socket because paramiko never sets TCP_NODELAY: each exec would take 44 ms more.
The channels are raw because Fabric's `run` polls. Fabric accepts unknown host keys by default;
hactl refuses them.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import fabric
import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    PasswordRequiredException,
    SSHException,
)

from provision.core.errors import HostError, Unreachable
from provision.hosts.hostkeys import (
    RecordNew,
    RefuseUnknown,
    UnknownKey,
    changed_key,
    load_known_hosts,
)
from provision.hosts.protocol import BOOTSTRAP, MARKER, encode_program
from provision.hosts.target import Target
from provision.hosts.transport import Connected, dial

SILENCE_TIMEOUT = 60.0
"""Seconds of silence after which a connection counts as lost. Agents say `alive` every 5 s."""

FORWARD_TIMEOUT = 10.0
"""Seconds to open a connection from a host to another address."""

PROMPT = "hactl-password:"
"""The prompt of sudo. The password is sent only after sudo has printed it."""

MAX_ATTEMPTS = 3
"""Attempts to connect. sshd's MaxStartups drops some of many connections: no banner comes then."""

# Without a handler, paramiko prints tracebacks for dropped connections.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class AgentChannel:
    """An agent running on a host."""

    def __init__(self, session: SshSession, channel: paramiko.Channel) -> None:
        self._session = session
        self._channel = channel
        self._buffer = bytearray()
        self._started = False
        self._errors = bytearray()
        channel.settimeout(SILENCE_TIMEOUT)
        # Both streams share one window: unread standard error would block the output at 2 MiB.
        self._stderr_reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_reader.start()

    def _read_stderr(self) -> None:
        """Keep the last 64 KiB of standard error, and answer sudo's prompt.

        A second prompt means that sudo refused the password: the channel is closed.
        """
        answered_prompts = 0
        with contextlib.suppress(OSError, EOFError):
            while data := self._channel.recv_stderr(65536):
                self._errors = (self._errors + data)[-65536:]
                prompts = 0 if self._started else self._errors.count(PROMPT.encode())
                if answered_prompts == 0 and prompts:
                    self._channel.sendall(self._session.target.become_password.encode() + b"\n")
                elif prompts > 1:
                    self._channel.close()
                answered_prompts = prompts

    @property
    def stderr(self) -> str:
        """The last 64 KiB of standard error, from the agent, sudo and the login shell."""
        self._stderr_reader.join(1)
        return self._errors.decode("utf-8", "replace").replace(PROMPT, "").strip()

    def send(self, data: bytes) -> None:
        """Send all of `data` to the agent. Raises HostError if the connection is lost."""
        try:
            self._channel.sendall(data)
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def read_line(self) -> bytes | None:
        """Return the agent's next line, or None at the end of its output.

        Raises:
            HostError: the connection is lost or silent for SILENCE_TIMEOUT seconds, or the agent
                did not start.
        """
        if not self._started:
            self.await_start()
        return self._next_line()

    def read_exact(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises HostError if the output ends earlier."""
        while len(self._buffer) < count:
            if not self._fill():
                raise HostError(self._session.host, "the connection was lost")
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def await_start(self) -> None:
        """Read up to the bootstrap's marker. Without it, raise HostError with sudo's message."""
        while (line := self._next_line()) != MARKER:
            if line is None:
                raise self._start_error()
        self._started = True

    def end_input(self) -> None:
        """Close the agent's standard input."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def exit_status(self, timeout: float) -> int:
        """Return the exit status, or -1 if none comes within `timeout` seconds."""
        self._channel.status_event.wait(timeout)
        return self._channel.exit_status

    def close(self) -> None:
        """Close the channel. The agent then rolls back changes that are not confirmed."""
        with contextlib.suppress(OSError, EOFError):  # the connection may be gone already
            self._channel.close()

    def _next_line(self) -> bytes | None:
        start = 0
        while (end := self._buffer.find(b"\n", start)) < 0:
            start = len(self._buffer)
            if not self._fill():
                return None
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    def _fill(self) -> bool:
        try:
            data = self._channel.recv(65536)
        except OSError as error:
            raise self._lost(error) from error
        self._buffer += data
        return bool(data)

    def _lost(self, error: OSError | EOFError) -> HostError:
        if isinstance(error, TimeoutError):
            return HostError(self._session.host, f"no answer for {SILENCE_TIMEOUT:.0f} seconds")
        return HostError(self._session.host, "the connection was lost")

    def _start_error(self) -> HostError:
        if self._session.is_dead():
            return HostError(self._session.host, "the connection was lost; nothing was changed")
        return explain_start(self._session.target, self.stderr, self.exit_status(2))


def explain_start(target: Target, stderr: str, status: int) -> HostError:
    """Return the error for an agent that did not start. Most often sudo refused."""
    words = " ".join(stderr.split())[-300:]
    if not target.become:
        return HostError(
            target.host,
            f"no shell could be started there (status {status}): {words or 'no message'}",
        )
    hints = {
        "password is required": "set ansible_become_password, or allow NOPASSWD in sudoers",
        "try again": "ansible_become_password is not the password of the user",
        "incorrect password": "ansible_become_password is not the password of the user",
        "not in the sudoers": "allow the user in sudoers, or log in as root",
        "not allowed to execute": "allow the user to run sh as root in sudoers",
        "must have a tty": "remove requiretty from sudoers for this user",
        "not found": "install sudo, or log in as root",
    }
    hint = next(
        (hint for message, hint in hints.items() if message in words), "try `sudo -n true` there"
    )
    return HostError(
        target.host, f"sudo refused {target.user}: {words or f'status {status}'}", hint
    )


class SshSession:
    """A login to a host. `execs` counts the agents that it started."""

    def __init__(
        self, target: Target, connection: fabric.Connection, close: Callable[[], None]
    ) -> None:
        self.target = target
        self.execs = 0
        self._connection = connection
        self._close = close

    @property
    def host(self) -> str:
        """The host's name in the inventory."""
        return self.target.host

    def __enter__(self) -> SshSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def is_dead(self) -> bool:
        """Whether the connection is lost."""
        transport = self._connection.transport
        return transport is None or not transport.is_active()

    def forward(self, address: str, port: int) -> paramiko.Channel:
        """Connect from this host to an address (direct-tcpip). Raises HostError if it fails."""
        try:
            transport: paramiko.Transport = self._connection.transport
            return transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=FORWARD_TIMEOUT
            )
        except (OSError, EOFError, SSHException) as error:
            reason = getattr(error, "text", "") or str(error) or "the connection was lost"
            hint = "may sshd there forward (AllowTcpForwarding)?" if "prohibited" in reason else ""
            raise HostError(
                self.host, f"cannot connect from there to {address} port {port}: {reason}", hint
            ) from None

    def run_agent(self, program: str) -> AgentChannel:
        """Start an agent as root.

        Raises:
            HostError: the login cannot become root, or the connection is lost.
        """
        command = _command(self.target)
        try:
            raw = self._connection.transport.open_session(timeout=SILENCE_TIMEOUT)
            raw.settimeout(SILENCE_TIMEOUT)
            raw.exec_command(command)
        except (OSError, EOFError, SSHException) as error:
            raise HostError(
                self.host,
                f"the connection was lost ({error or 'end of file'}); nothing was changed",
            ) from error
        self.execs += 1
        channel = AgentChannel(self, raw)
        if self.target.become and self.target.become_password:
            # A sudo that refuses the password would read the program as a second password.
            channel.await_start()
        channel.send(encode_program(program))
        return channel

    def close(self) -> None:
        """Close the connection, and its jump hosts and proxy command."""
        with contextlib.suppress(Exception):
            self._connection.client.close()
        self._close()


def _command(target: Target) -> str:
    shell = f"sh -c '{BOOTSTRAP}'"
    if target.user == "root":
        return shell
    if not target.become:
        raise HostError(
            target.host,
            f"the login {target.user} is not root and may not become it",
            "set ansible_become: true (sudo), or ansible_user: root",
        )
    return f"sudo -S -p {PROMPT} {shell}" if target.become_password else f"sudo -n {shell}"


def connect(target: Target) -> SshSession:
    """Log in to a host, through its proxy command or jump hosts.

    Only the beginning of the connection is retried. A refused login or host key is final.

    Raises:
        Unreachable: the message says which step failed and what to do.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        connected = dial(target, login)
        try:
            connection = login(target, connected)
        except _Retry as error:
            connected.close()
            if attempt == MAX_ATTEMPTS:
                raise _no_banner(target, connected, error) from error
            time.sleep(0.4 * attempt)
        except BaseException:
            connected.close()
            raise
        else:
            return SshSession(target, connection, connected.close)
    raise AssertionError("unreachable")


class _Retry(Exception):
    """The server closed the connection or sent nothing before the login began."""


def _no_banner(target: Target, connected: Connected, error: Exception) -> Unreachable:
    reason = connected.stderr_text() or str(error)
    hint = (
        "is it an SSH server, and its proxy command right?"
        if target.proxy_command
        else "is sshd running there?"
    )
    return Unreachable(
        target.host, f"no SSH server answers at {target.address} port {target.port}: {reason}", hint
    )


def login(target: Target, connected: Connected) -> fabric.Connection:
    """Authenticate over a connected socket. Raises Unreachable."""
    connection = _connection(target, connected.sock)
    try:
        connection.open()
    except BadHostKeyException as error:
        raise changed_key(target, error) from error
    except UnknownKey as error:
        raise Unreachable(target.host, error.message, error.hint) from error
    except AuthenticationException as error:
        raise _refused(target, error) from error
    except (SSHException, EOFError, OSError) as error:
        if (
            isinstance(error, SSHException)
            and "banner" not in str(error)
            and "session" not in str(error).lower()
        ):
            raise Unreachable(
                target.host, f"the SSH handshake with {target.address} failed: {error}"
            ) from error
        raise _Retry(str(error) or "the connection was closed") from error
    connection.transport.set_keepalive(15)
    return connection


def _connection(target: Target, sock: socket.socket | paramiko.Channel) -> fabric.Connection:
    keys: dict[str, Any] = {"key_filename": list(target.key_files)} if target.key_files else {}
    connection = fabric.Connection(
        target.key_name or target.address,
        user=target.user,
        port=22 if target.key_name else target.port,
        gateway=False,
        config=fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig()),
        connect_kwargs={
            "sock": sock,
            "timeout": target.timeout,
            "banner_timeout": target.timeout + 5,
            "auth_timeout": 20,
            "channel_timeout": 20,
            "allow_agent": not target.identities_only,
            "look_for_keys": not target.key_files and not target.password,
            "password": target.password or None,
            **keys,
        },
    )
    load_known_hosts(connection.client, target)
    policy = RefuseUnknown(target) if target.strict else RecordNew(target)
    connection.client.set_missing_host_key_policy(policy)
    return connection


def _refused(target: Target, error: AuthenticationException) -> Unreachable:
    account = f"{target.user}@{target.address}"
    if isinstance(error, PasswordRequiredException):
        return Unreachable(
            target.host,
            f"the private key for {account} needs its passphrase",
            f"ssh-add {' '.join(target.key_files)}",
        )
    keys = ", ".join(target.key_files) or "the agent's keys and those in ~/.ssh"
    return Unreachable(
        target.host,
        f"the login {account} was refused ({error})",
        f"tried {keys}; add the public key to that user's authorized_keys: ssh-copy-id {account}",
    )
