"""What `observe` and `apply` need of a connection, whatever carries it."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """A running agent. Every method raises HostError when the connection is lost or silent for too long."""

    def send(self, data: bytes) -> None:
        """Give the agent all of `data`."""

    def read_line(self) -> bytes | None:
        """The next line with its newline, or None at the end of the output."""

    def read_exact(self, count: int) -> bytes:
        """Exactly `count` bytes."""

    def end_input(self) -> None:
        """Close the agent's standard input."""

    def exit_status(self, timeout: float) -> int:
        """The agent's exit status, awaited for at most `timeout` seconds; -1 where none comes."""

    def close(self) -> None:
        """Let go of the agent. It undoes what is not confirmed."""


class Session(Protocol):
    """A host that agents can be run on."""

    @property
    def host(self) -> str:
        """The host's name in the inventory."""

    @property
    def execs(self) -> int:
        """How many agents were started so far."""

    def run_agent(self, program: str) -> Channel:
        """Start the agent whose text is `program`, as root."""
