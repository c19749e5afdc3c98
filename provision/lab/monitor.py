"""Talking to a guest: to its QEMU over QMP, to its lab-agent over the second serial line."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from provision.core.errors import LabError

CLOCK_SET_THRESHOLD = 0.3
"""Seconds within which a guest has set its clock and said so, or it was too busy for the time to be right."""


class Monitor:
    """QEMU's machine protocol (QMP): one command, one answer."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        """Connect; raises LabError when nobody listens."""
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
        """The command's return value; raises LabError with QEMU's own words when it fails."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = self._answer()
            if "error" in answer:
                raise LabError(f"QEMU refuses {command}: {answer['error']['desc']}")
            if "return" in answer:  # everything else is an event
                return answer["return"]

    def human(self, line: str) -> None:
        """A command of the human monitor, such as savevm, which has no short QMP form; it prints only errors."""
        if said := self.execute("human-monitor-command", **{"command-line": line}).strip():
            raise LabError(f"QEMU refuses {line}: {said}")

    def _answer(self) -> Any:
        try:
            line = self._stream.readline()
        except OSError as error:
            raise LabError(f"QEMU does not answer: {error}") from None
        if not line:
            raise LabError("QEMU has ended", "see its console.log in the lab's state folder")
        return json.loads(line)


class Agent:
    """The lab-agent of a director: says "ready" when up, sets the clock."""

    def __init__(self, path: Path) -> None:
        """Connect; raises LabError when the guest is not running."""
        self._socket = _connect(path, 5)
        self._heard = b""

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def heard(self, word: str, timeout: float) -> bool:
        """Whether the agent says `word` within `timeout` seconds; False when the guest ends, too."""
        deadline = time.monotonic() + timeout
        while word.encode() not in self._heard:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(256)
            except TimeoutError:
                return False
            if not data:
                raise LabError("the guest has ended")
            self._heard += data
        self._heard = b""
        return True

    def set_clock(self, timeout: float = 30) -> None:
        """Give the guest this machine's time: it slept while its memory was saved or restored.

        What it is given is as old as its way there: told again until the answer comes within QUICK, five times at most.
        """
        for _ in range(5):
            sent = time.monotonic()
            self._socket.sendall(f"clock {time.time():.3f}\n".encode())
            if not self.heard("ok", timeout):
                raise LabError("the guest does not set its clock")
            if time.monotonic() - sent < CLOCK_SET_THRESHOLD:
                return


def _connect(path: Path, timeout: float) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(timeout)
    try:
        made.connect(str(path))
    except OSError as error:
        made.close()
        raise LabError(
            f"{path}: {error.strerror or error}", "the guest is off: start it with hactl lab boot"
        ) from None
    return made
