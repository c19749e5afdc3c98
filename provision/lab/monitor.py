"""Connections to a guest: to QEMU over QMP, and to its lab-agent over the second serial line."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from provision.core.errors import LabError

CLOCK_SET_THRESHOLD = 0.3
"""Seconds for an answer to `clock`; after a later answer the guest's time is too inexact."""

MAX_CLOCK_ATTEMPTS = 5


class Monitor:
    """QEMU's machine protocol (QMP): an answer to every command."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        """Connect. Raises LabError if QEMU does not listen."""
        self._socket = _connect(path, timeout)
        self._stream = self._socket.makefile("r", encoding="utf-8")
        self._answer()
        self.execute("qmp_capabilities")

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def execute(self, command: str, **arguments: str | bool) -> Any:
        """The command's return value. Raises LabError with QEMU's message if it fails."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = self._answer()
            if "error" in answer:
                raise LabError(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:  # all other lines are events
                return answer["return"]

    def human(self, line: str) -> None:
        """Run a human monitor command, such as savevm; it prints only errors."""
        if error := self.execute("human-monitor-command", **{"command-line": line}).strip():
            raise LabError(f"QEMU refuses {line}: {error}")

    def _answer(self) -> Any:
        try:
            line = self._stream.readline()
        except OSError as error:
            raise LabError(f"QEMU does not answer: {error}") from None
        if not line:
            raise LabError("QEMU has ended", "see its console.log in the lab's state folder")
        return json.loads(line)


class Agent:
    """The lab-agent of a director: it sends "ready" after the boot, and sets the clock."""

    def __init__(self, path: Path) -> None:
        """Connect. Raises LabError if the guest is not running."""
        self._socket = _connect(path, 5)
        self._received = b""

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def wait_for(self, word: str, timeout: float) -> bool:
        """Whether the agent sends `word` within `timeout` s. Raises LabError if the guest ends."""
        deadline = time.monotonic() + timeout
        while word.encode() not in self._received:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(256)
            except TimeoutError:
                return False
            if not data:
                raise LabError("the guest has ended")
            self._received += data
        self._received = b""
        return True

    def set_clock(self, timeout: float = 30) -> None:
        """Set the guest's clock, which stood still while its memory was saved or restored.

        The sent time is late by its transport, so it is sent again, up to MAX_CLOCK_ATTEMPTS times,
        until the answer comes within CLOCK_SET_THRESHOLD.
        """
        for _ in range(MAX_CLOCK_ATTEMPTS):
            sent = time.monotonic()
            self._socket.sendall(f"clock {time.time():.3f}\n".encode())
            if not self.wait_for("ok", timeout):
                raise LabError("the guest does not set its clock")
            if time.monotonic() - sent < CLOCK_SET_THRESHOLD:
                return


def _connect(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise LabError(
            f"{path}: {error.strerror or error}", "the guest is off: start it with hactl lab boot"
        ) from None
    return connection
