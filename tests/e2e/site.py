"""A site in its own lab: its inventory, the commands of a user, and the state of its hosts."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.waiting import wait_until

HACTL = Path(sys.executable).parent / "hactl"

SNAPSHOT = """
find /etc /usr/local /var/lib/hactl /var/lib/dpkg/status /var/www /run/hactl -xdev \
    '(' -type f -o -type l ')' -printf '%p %m %u:%g %s %T@ %l\\n' 2>/dev/null |
    grep -v '^/run/hactl/loaded'
find /run/hactl -maxdepth 1 ! -name loaded 2>/dev/null
cd /proc/sys/net && grep -rH '' ipv4/conf ipv4/vs ipv4/ip_forward ipv6/conf 2>/dev/null
ip -o addr show | sed 's/ *valid_lft.*//'
nft -s list ruleset
[ ! -e /proc/net/ip_vs ] || ipvsadm -Sn
systemctl show -p Id,ActiveState,UnitFileState,MainPID,InvocationID \
    keepalived ipvsadm nginx hactl-lo-vip hactl-firewall nftables
"""
"""Prints everything that a deploy may touch, and what is near it.

The time of a file's last change counts, so a file that was written and restored shows as well.
/run/hactl/loaded has the files that daemons have loaded. After a rollback it may have more of them.
"""


class Env(str):
    """The name of an environment variable, which is written as `!env NAME`."""


def _env(dumper: yaml.SafeDumper, name: Env) -> yaml.Node:
    return dumper.represent_scalar("!env", str(name))


yaml.SafeDumper.add_representer(Env, _env)


@dataclass(frozen=True)
class Run:
    """The output and the exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Site:
    """One inventory file and its lab."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.inventory = folder / f"{name}.yml"
        self.ssh_config = Path(f"/run/hactl/lab/{name}/ssh_config")
        self._sockets = folder
        self.hosts: tuple[str, ...] = ()

    def write(self, model: Mapping[str, Any]) -> None:
        """Write `model` as the inventory."""
        self.inventory.write_text(yaml.safe_dump(model, sort_keys=False))

    def hactl(self, *words: str, env: Mapping[str, str] | None = None) -> Run:
        """Run a command on this inventory as a user does, without a terminal."""
        done = subprocess.run(
            [HACTL, *words, str(self.inventory)],
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Run(done.returncode, done.stdout, done.stderr)

    def lab(self, *words: str) -> Run:
        """Run `hactl lab WORD …`, which must succeed."""
        if words[0] in ("cut", "boot"):
            words = (*words, "-i")
        done = self.hactl("lab", *words)
        assert done.code == 0, done
        return done

    def deploy(self, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A deploy that must succeed; returns its JSON."""
        done = self.hactl("deploy", "--yes", "--json", *words, env=env)
        assert done.code == 0, done
        assert done.json["ok"] is True
        return dict(done.json["hosts"])

    def plan(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> dict[str, list[dict[str, str]]]:
        """The plan of every host; the exit code must agree with it."""
        done = self.hactl("plan", "--json", *words, env=env)
        document = done.json
        assert document["changes"] == sum(len(changes) for changes in document["hosts"].values())
        assert done.code == (2 if document["changes"] else 0), done
        return dict(document["hosts"])

    def assert_in_step(self, *words: str, env: Mapping[str, str] | None = None) -> None:
        """Assert that every host is as the inventory says."""
        planned = self.plan(*words, env=env)
        assert not any(planned.values()), planned

    def ssh_argv(self, host: str, *words: str) -> list[str]:
        """An OpenSSH login that stays open: a login to an emulated director takes over a second."""
        keep = [
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=300",
            "-o",
            f"ControlPath={self._sockets}/%h",
        ]
        return [*self.login(), *keep, host, *words]

    def login(self) -> list[str]:
        """OpenSSH with the lab's settings; it gives up after half a minute without an answer."""
        alive = ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=6"]
        return ["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", *alive]

    def forget(self, host: str) -> None:
        """Close the open login."""
        subprocess.run(self.ssh_argv(host, "-O", "exit"), capture_output=True, check=False)

    def ssh(self, host: str, script: str, *, check: bool = True) -> str:
        """The output of a shell script on a host."""
        done = subprocess.run(
            self.ssh_argv(host, "sh"),
            input=script,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{host}: {done}"
        return done.stdout.strip()

    def on_all(self, job: Callable[[str], Any]) -> dict[str, Any]:
        """The results of the job for all hosts, run at once."""
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(self.hosts, pool.map(job, self.hosts), strict=True))

    def snapshot(self) -> dict[str, list[str]]:
        """The state of every host."""
        return self.on_all(lambda host: sorted(self.ssh(host, SNAPSHOT, check=False).splitlines()))

    def pages(self, vip: str, count: int = 4, port: int = 80) -> list[str]:
        """Pages that the client fetches one after the other through the VIP."""
        address = f"[{vip}]" if ":" in vip else vip
        curl = f"curl -sS --max-time 3 http://{address}:{port}/ || :"
        fetch = f"for i in $(seq {count}); do {curl}; done"
        return self.ssh("client", fetch).splitlines()

    def await_pages(self, vip: str, expected: set[str], seconds: float = 30) -> None:
        """Wait until real servers answer through the VIP exactly as expected."""

        def answered() -> bool:
            with contextlib.suppress(AssertionError):
                return set(self.pages(vip)) == expected
            return False

        wait_until(answered, seconds, 0.3, f"{expected} through {vip}")

    def holders(self, vip: str, directors: Sequence[str] = ("lvs1", "lvs2")) -> list[str]:
        """The directors that have the VIP."""
        count = f"ip -o addr show dev eth0 | grep -c ' {vip}/' || :"
        return [host for host in directors if self.ssh(host, count) == "1"]

    def main_pid(self, host: str, unit: str) -> str:
        """The main process of a unit."""
        return self.ssh(host, f"systemctl show -p MainPID --value {unit}")

    def reboot(self, host: str, seconds: float = 180) -> None:
        """Reboot a host, and wait until it is up again."""
        self.ssh(
            host, "touch /run/before-reboot; systemd-run --quiet --on-active=1 systemctl reboot"
        )
        self.forget(host)
        script = "test ! -e /run/before-reboot && systemctl is-system-running --wait"
        argv = [*self.login(), host, script]

        def is_running() -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
                return done.stdout == "running\n"
            return False

        wait_until(is_running, seconds, 0.3, f"{host} comes back")


def patiently(seconds: float) -> Iterator[None]:
    """Yield every 0.3 s until the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.3)


class Terminal:
    """A command at a terminal: its output, typed input, and Ctrl-C to its whole process group."""

    def __init__(self, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"NO_COLOR": "1", "COLUMNS": "80", **(env or {})})
            os.execv(HACTL, ["hactl", *words])
        self.shown = ""

    def read(self) -> bool:
        """Read more output; returns False at its end."""
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def until(self, pattern: str) -> None:
        """Read until the output has the pattern."""
        while not re.search(pattern, self.shown):
            assert self.read(), f"never {pattern}: {self.shown}"

    def type(self, text: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._fd, text.encode())

    def kill(self) -> None:
        """Kill the command and the processes that it started, without a chance to clean up."""
        os.killpg(self.pid, signal.SIGKILL)
        self.end()

    def end(self) -> int:
        """Wait for the end of the command; returns the exit code."""
        while self.read():
            pass
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def difference(
    before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> dict[str, list[str]]:
    """The lines by which two snapshots differ, by host."""
    return {
        host: [f"-{line}" for line in sorted(was - now)]
        + [f"+{line}" for line in sorted(now - was)]
        for host in before
        if (was := set(before[host])) != (now := set(after[host]))
    }
