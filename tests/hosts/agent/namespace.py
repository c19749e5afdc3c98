"""A host in a network namespace: real addresses and filters, stubs for units, a scratch root."""

from __future__ import annotations

import subprocess
from pathlib import Path

from provision.core.errors import HostError
from provision.hosts.protocol import BOOTSTRAP, encode_program
from provision.prober.local_session import LocalChannel


class Logins:
    """The logins of a run: to one host, the same each time."""

    def __init__(self, host: object) -> None:
        self.host = host
        self.dropped = 0

    def of(self, _: str) -> object:
        return self.host

    def drop(self, _: str) -> None:
        self.dropped += 1


class Unreachable:
    """A login that fails."""

    def run_agent(self, _: str) -> object:
        raise HostError("web1", "no route to host")


class NamespaceHost:
    """A session: a network namespace with an unconnected `eth0`, and a scratch root for files."""

    host = "lvs1"

    def __init__(self, name: str, root: Path, shell: str) -> None:
        self.name = name
        self.root = root
        self.shell = shell
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "eth0", "type", "bridge")
        self.run("ip", "link", "set", "eth0", "up")

    def argv(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        return subprocess.run(
            self.argv(*command), check=True, capture_output=True, text=True, timeout=20
        ).stdout

    def run_agent(self, program: str) -> LocalChannel:
        shell = ["busybox", "sh"] if self.shell == "busybox" else [self.shell]
        channel = LocalChannel(self.argv("env", f"HACTL_ROOT={self.root}", *shell, "-c", BOOTSTRAP))
        channel.send(encode_program(program))
        return channel
