"""The real agents under a real sh: units stubbed in a scratch root, addresses and filters real in a namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.hosts.protocol import BOOTSTRAP, encode_program
from provision.prober.local_session import LocalChannel
from tests.hosts.agent.local import LocalHost


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
    """A network namespace with an `eth0` that leads nowhere, and a scratch root for the files: a Session."""

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
        return subprocess.run(self.argv(*command), check=True, capture_output=True, text=True, timeout=20).stdout

    def run_agent(self, program: str) -> LocalChannel:
        shell = ["busybox", "sh"] if self.shell == "busybox" else [self.shell]
        channel = LocalChannel(self.argv("env", f"HACTL_ROOT={self.root}", *shell, "-c", BOOTSTRAP))
        channel.send(encode_program(program))
        return channel


@pytest.fixture(params=["dash", "busybox", "bash"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalHost]:
    assert shutil.which(request.param), f"install {request.param}: the agents are tested under it"
    local = LocalHost(tmp_path, request.param)
    yield local
    local.end()


@pytest.fixture(params=["dash", "busybox"])
def namespace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NamespaceHost]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name = f"hd-{os.getpid()}-{request.param}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield NamespaceHost(name, tmp_path, request.param)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
