"""The interfaces of a connection to a host: a session that starts agents, and a running agent."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """A running agent. Methods raise HostError if the connection is lost or silent too long."""

    def send(self, data: bytes) -> None:
        """Send all of `data` to the agent."""

    def read_line(self) -> bytes | None:
        """Return the next line with its newline, or None at the end of the output."""

    def read_exact(self, count: int) -> bytes:
        """Return exactly `count` bytes."""

    def end_input(self) -> None:
        """Close the agent's standard input."""

    def exit_status(self, timeout: float) -> int:
        """Return the agent's exit status, or -1 if none comes within `timeout` seconds."""

    def close(self) -> None:
        """Close the connection to the agent, which rolls back changes that are not confirmed."""


class Session(Protocol):
    """A host that agents can run on."""

    @property
    def host(self) -> str:
        """The host's name in the inventory."""

    @property
    def execs(self) -> int:
        """The number of agents that were started so far."""

    def run_agent(self, program: str) -> Channel:
        """Start the agent whose text is `program`, as root."""
