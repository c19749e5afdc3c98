"""A client and two servers on one switch, each a network namespace, with real faults on demand."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.prober.local_session import LocalSession
from provision.prober.record import ProbeService
from tests.hosts.netns import Namespace, run

VIP, VIP6 = "10.78.0.10", "fd78::10"
FAULT = """
table inet fault {
    set ports { type inet_service; flags timeout; }
    chain input {
        type filter hook prerouting priority raw;
        tcp dport @ports VERDICT
    }
}
"""


class Host:
    """A namespace with `eth0` on the switch."""

    def __init__(self, space: Namespace, switch: Namespace, number: int) -> None:
        self.space = space
        self.address, self.address6 = f"10.78.0.{number}", f"fd78::{number}"
        self.mac = f"02:00:00:00:78:0{number}"
        wire = f"p{number}"
        run(
            "ip",
            "-n",
            space.name,
            "link",
            "add",
            "eth0",
            "address",
            self.mac,
            "type",
            "veth",
            "peer",
            "name",
            wire,
            "netns",
            switch.name,
        )
        run("ip", "-n", switch.name, "link", "set", wire, "master", "br0", "up")
        self.add(f"{self.address}/24", "eth0")
        self.add(f"{self.address6}/64", "eth0", "nodad")
        run("ip", "-n", space.name, "link", "set", "eth0", "up")

    def add(self, address: str, device: str, *more: str) -> None:
        run("ip", "-n", self.space.name, "addr", "add", address, "dev", device, *more)

    def popen(self, *argv: str) -> subprocess.Popen[str]:
        command = ["nsenter", f"--net={self.space.path}", *argv]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        )

    def call(self, *argv: str, text: str = "") -> str:
        command = ["nsenter", f"--net={self.space.path}", *argv]
        return subprocess.run(
            command, input=text, check=True, capture_output=True, text=True
        ).stdout

    @contextmanager
    def fault(self, verdict: str) -> Iterator[Host]:
        """What `hit` names meets `verdict` (nft(8)) from then on."""
        self.call("nft", "-f", "-", text=FAULT.replace("VERDICT", verdict))
        try:
            yield self
        finally:
            self.call("nft", "delete", "table", "inet", "fault")

    def hit(self, port: int, milliseconds: int) -> None:
        """The kernel itself ends the fault, after exactly this time."""
        self.call(
            "nft",
            "add",
            "element",
            "inet",
            "fault",
            "ports",
            f"{{ {port} timeout {milliseconds}ms }}",
        )

    @contextmanager
    def web(self, port: int) -> Iterator[subprocess.Popen[str]]:
        """A web server on every address."""
        server = self.popen(sys.executable, str(Path(__file__).with_name("web.py")), str(port))
        try:
            assert server.stdout and server.stdout.readline() == "ready\n"
            yield server
        finally:
            server.kill()
            server.wait()


class Lan:
    """The whole: `client`, `a` and `b`."""

    def __init__(self, stem: str) -> None:
        self.spaces = [Namespace(f"{stem}-{name}") for name in ("sw", "client", "a", "b")]
        switch = self.spaces[0]
        run("ip", "-n", switch.name, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", switch.name, "link", "set", "br0", "up")
        self.client, self.a, self.b = (
            Host(space, switch, at) for at, space in enumerate(self.spaces[1:], 1)
        )

    def session(self, *wrapper: str) -> LocalSession:
        """What starts agents in the client's namespace."""
        return LocalSession(("nsenter", f"--net={self.client.space.path}", *wrapper, "/bin/sh"))

    def delete(self) -> None:
        for space in self.spaces:
            space.delete()


def service(host: Host, port: int = 80, path: str | None = "/") -> ProbeService:
    """A service of a host itself."""
    return ProbeService("web", f"web {host.address}:{port}", host.address, port, path)
