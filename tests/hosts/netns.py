"""Test hosts: a network namespace, a temporary overlay of this machine's root, and a real sshd."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.waiting import wait_until

CLONE_NEWNET = 0x40000000
Result = TypeVar("Result")

BOOT = """
set -e
mount --make-rprivate /
mount -t tmpfs none "$base/host"
mkdir "$base/host/upper" "$base/host/work" "$base/host/root"
root=$base/host/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/host/upper,workdir=$base/host/work" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mkdir -p "$root/run/sshd" "$root/etc/hactl-test"
cp "$base"/host_key "$base"/authorized "$base"/sshd_config "$root/etc/hactl-test/"
exec 9>"$base/ready"
if [ -n "$users" ]; then
    for user in free asked stranger; do
        chroot "$root" useradd -m -s /bin/sh "$user"
        echo "$user:right horse" | chroot "$root" chpasswd
    done
    printf '%s\\n' 'Defaults !fqdn' 'free ALL=(ALL) NOPASSWD: ALL' 'asked ALL=(ALL) ALL' \
        >"$root/etc/sudoers"
fi
exec chroot "$root" /usr/sbin/sshd -D -e -f /etc/hactl-test/sshd_config
"""

SSHD = """
Port 22
HostKey /etc/hactl-test/host_key
AuthorizedKeysFile /etc/hactl-test/authorized
PidFile none
UsePAM no
UseDNS no
StrictModes no
PermitRootLogin yes
PasswordAuthentication yes
LogLevel DEBUG1
"""


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def keygen(path: Path, *more: str) -> Path:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hactl-test", "-f", str(path), *more)
    return path


class Namespace:
    """A named network namespace with its loopback up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def link(self, other: Namespace, near: str, far: str) -> None:
        """A wire to another namespace, with an address on either end."""
        device = f"to-{other.name[-1]}"
        back = f"to-{self.name[-1]}"
        run(
            "ip",
            "-n",
            self.name,
            "link",
            "add",
            device,
            "type",
            "veth",
            "peer",
            "name",
            back,
            "netns",
            other.name,
        )
        for name, end, address in ((self.name, device, near), (other.name, back, far)):
            run("ip", "-n", name, "addr", "add", f"{address}/30", "dev", end)
            run("ip", "-n", name, "link", "set", end, "up")

    def enter(self, job: Callable[[], Result]) -> Result:
        """Call `job` in a thread that lives in this namespace: the sockets it makes stay there."""
        outcome: dict[str, Any] = {}

        def body() -> None:
            try:
                with open(self.path) as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                outcome["result"] = job()
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]  # type: ignore[no-any-return]

    def delete(self) -> None:
        run("ip", "netns", "del", self.name)


class Server:
    """A real sshd in a namespace, on a root of its own."""

    def __init__(
        self, namespace: Namespace, address: str, base: Path, key: Path, *, users: bool = False
    ) -> None:
        self.namespace = namespace
        self.address = address
        self.base = base
        (base / "host").mkdir(parents=True)
        self.host_key = keygen(base / "host_key")
        shutil.copy(f"{key}.pub", base / "authorized")
        (base / "sshd_config").write_text(SSHD)
        self.log = base / "sshd.log"
        self.process = subprocess.Popen(
            ["nsenter", f"--net={namespace.path}", "unshare", "--mount", "sh", "-c", BOOT],
            env={"PATH": os.environ["PATH"], "base": str(base), "users": "yes" if users else ""},
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.wait_for("Server listening on 0.0.0.0 port 22")

    def wait_for(self, text: str, timeout: float = 15) -> None:
        """Wait for a text in sshd's log."""

        def is_logged() -> bool:
            log = self.log.read_text(errors="replace")
            assert text in log or self.process.poll() is None, log
            return text in log

        wait_until(is_logged, timeout, 0.02, what=f"{text!r} in {self.log}")

    def path(self, name: str) -> Path:
        """A file of the server, seen from here."""
        return Path(f"/proc/{self.process.pid}/root/{name.lstrip('/')}")

    def known_hosts(self, path: Path, key: Path | None = None) -> Path:
        """A known_hosts file that vouches for this server, or for another key in its place."""
        kind, text, *_ = Path(f"{key or self.host_key}.pub").read_text().split()
        path.write_text(f"{self.address} {kind} {text}\n")
        return path

    def sessions(self) -> int:
        """How many session channels were opened here so far: one for each exec."""
        return self.log.read_text(errors="replace").count(
            "server_input_channel_open: ctype session"
        )

    def connections(self) -> list[int]:
        """The processes that serve a connection."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def cut(self) -> None:
        """Kill the processes that serve connections, as a lost line would; not their children."""
        for pid in self.connections():
            with contextlib.suppress(
                FileNotFoundError, ProcessLookupError
            ):  # one that ended by itself meanwhile
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                for victim in (pid, *(int(child) for child in children if _is_sshd(child))):
                    os.kill(victim, signal.SIGKILL)

    def delete(self) -> None:
        self.cut()
        self.process.kill()
        self.process.wait()


def _is_sshd(pid: str) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith("sshd")
