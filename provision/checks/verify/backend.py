"""testinfra's `host` over hactl's logins, with their host keys, jump hosts, proxies and sudo."""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from provision.hosts.channel import Channel
from provision.hosts.sessions import Sessions

_END = b"\x1f"
"""The first byte of the last line, which has the exit status."""

_WRAPPED = "(\n%s\n) </dev/null\nprintf '\\n\\037%%s\\n' $?\n"


class SessionBackend(BaseBackend):  # type: ignore[misc]  # testinfra has no type information
    """Runs testinfra's commands on one host as root, each in one exec."""

    NAME = "hactl"

    def __init__(self, sessions: Sessions, host: str) -> None:
        super().__init__(host)
        self._sessions = sessions

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:  # noqa: ARG002  # testinfra's signature
        """The output and the exit status of a command; testinfra quotes its words.

        Raises:
            HostError: the host cannot be reached, or is silent for a minute.
        """
        text = self.get_command(command, *args)
        channel = self._sessions.of(self.hostname).run_agent(_WRAPPED % text)
        try:
            status, stdout = _read(channel)
            return self.result(status, text.encode(), stdout, channel.stderr.encode())
        finally:
            channel.close()

    def get_encoding(self) -> str:
        """UTF-8; testinfra would start a Python process on the host to get it."""
        return "utf-8"


def _read(channel: Channel) -> tuple[int, bytes]:
    """The exit status and the output; 255 where the line with the status never came."""
    lines: list[bytes] = []
    while (line := channel.read_line()) is not None:
        if line.startswith(_END):
            return int(line[1:]), b"".join(lines)[:-1]
        lines.append(line)
    return 255, b"".join(lines)


def testinfra_host(sessions: Sessions, name: str) -> Host:
    """The object `host` of testinfra's tests."""
    backend = SessionBackend(sessions, name)
    host = Host(backend)
    backend.set_host(host)
    return host
