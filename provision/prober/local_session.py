"""A session that runs agents on the controller."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence

from provision.core.errors import HostError
from provision.hosts.channel import Channel
from provision.hosts.protocol import BOOTSTRAP, MARKER, encode_program

HOST = "controller"
"""The controller's name in messages."""


class LocalChannel:
    """An agent in a local process, started by `command`."""

    def __init__(self, command: Sequence[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        while self._output.readline() not in (MARKER, b""):
            pass

    def send(self, data: bytes) -> None:
        """Send all of `data` to the agent."""
        try:
            self._input.write(data)
            self._input.flush()
        except (OSError, ValueError) as error:
            raise HostError(HOST, "the agent ended") from error

    def read_line(self) -> bytes | None:
        """Return the next line, or None at the end of the output."""
        return self._output.readline() or None

    def read_exact(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        data = self._output.read(count)
        if len(data) < count:
            raise HostError(HOST, "the agent ended")
        return data

    def end_input(self) -> None:
        """Close the agent's standard input."""
        with contextlib.suppress(OSError):
            self._input.close()

    def exit_status(self, timeout: float) -> int:
        """Return the exit status, or -1 if none comes within `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return -1

    def close(self) -> None:
        """End the agent's input, and kill it if it does not end."""
        self.end_input()
        if self.exit_status(2) == -1:
            self._process.kill()
            self._process.wait()


class LocalSession:
    """Runs agents on the controller with the user's rights. `shell` is the command of the shell."""

    def __init__(self, shell: Sequence[str] = ("/bin/sh",)) -> None:
        self.execs = 0
        self._shell = shell

    @property
    def host(self) -> str:
        """The controller's name in messages."""
        return HOST

    def run_agent(self, program: str) -> Channel:
        """Start an agent."""
        self.execs += 1
        channel = LocalChannel([*self._shell, "-c", BOOTSTRAP])
        channel.send(encode_program(program))
        return channel
