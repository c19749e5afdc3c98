"""One host of the matrix, from outside: its files, its processes, its commands, and its halts.

Nothing here logs in: the only login is the login of the deploy under test.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.steps import COMMANDS, Step
from tests.waiting import wait_until

HERE = Path(__file__).parent
HALT_FOLDER = Path("var/lib/faults")

SNAPSHOT = """
list() {
    find $places -mindepth 1 '(' -path '*/systemd-private-*' -o -path /run/hactl/loaded \
        -o -path '*/hactl/generations' ')' -prune -o "$@" 2>/dev/null
}
list -printf '%p %y %m %u:%g %l\\n'
list -type f -exec sha256sum {} +
cd /proc/sys/net && grep -rH '' ipv4/conf ipv4/ip_forward ipv6/conf 2>/dev/null
ip -o addr show | grep -v 'inet 192.168.240.[0-9]*/32' | sed 's/ *valid_lft.*//; s/^[0-9]*: //'
systemctl show -p Id,ActiveState,UnitFileState keepalived nginx 2>/dev/null
systemctl list-units --no-legend --plain 'hactl-*' 2>/dev/null | cut -d ' ' -f 1
ls -A /run/systemd/transient 2>/dev/null
pgrep -af 'hactl-agent|/agent guard' | sed 's/^[0-9]* /process /' | cut -c 1-60
:
"""
"""Prints everything that a deploy may touch, and what is near it.

There are no times in it, because restored files are compared with the old ones. Each boot gives
`systemd-private` folders new names, and a stamp has the number of a process.
"""


class Host:
    """A host: its root folder here, and its processes with their numbers on this machine."""

    places = "/etc /usr/local /var/lib/hactl /var/www /tmp /var/tmp /run/hactl"
    """The folders of a snapshot."""

    def __init__(self, name: str, root: Path, processes: Callable[[], set[int]]) -> None:
        self.name = name
        self.root = root
        self.processes = processes

    def init(self) -> int:
        """The number of the host's process 1 on this machine."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                if status.split("NSpid:")[1].split("\n")[0].split()[1:] == ["1"]:
                    return pid
        raise LookupError(f"{self.name} does not run")

    def run(self, script: str, *, check: bool = True) -> str:
        """The output of a shell script on the host."""
        inside = ["nsenter", "-t", str(self.init()), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "sh"]
        done = subprocess.run(
            inside, input=script, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 or not check, f"{self.name}: {script!r}: {done.stderr}"
        return done.stdout

    def snapshot(self) -> frozenset[str]:
        """The state of the host, one fact in each line."""
        return frozenset(self.run(f"places='{self.places}'\n{SNAPSHOT}").splitlines())

    def processes_named(self, *names: str) -> list[int]:
        """The host's processes of these names."""
        pids = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() in names:
                    pids.append(pid)
        return pids

    def instrument(self) -> None:
        """Put halt.sh in front of the commands: an agent finds it first in its PATH."""
        (self.root / HALT_FOLDER).mkdir(parents=True, exist_ok=True)
        for command in COMMANDS:
            target = self.root / "usr/local/bin" / command
            shutil.copy(HERE / "halt.sh", target)
            target.chmod(0o755)

    def arm(self, step: Step) -> None:
        """Halt the next time that this step comes."""
        self.disarm()
        (self.root / HALT_FOLDER / "at.new").write_text(f"{step.when}\n{step.pattern}\n")
        (self.root / HALT_FOLDER / "at.new").rename(self.root / HALT_FOLDER / "at")

    def disarm(self) -> None:
        """Halt at no step."""
        for name in ("at", "met", "halted", "go"):
            (self.root / HALT_FOLDER / name).unlink(missing_ok=True)

    def halted(self) -> bool:
        """Whether the host has halted at the step."""
        return (self.root / HALT_FOLDER / "halted").exists()

    def go(self) -> None:
        """Let the host go on."""
        (self.root / HALT_FOLDER / "go").touch()

    def waits(self, word: str) -> bool:
        """Whether a transaction there waits in this state: `ready` or `applied`."""
        return any(Path(f"/proc/{self.init()}/root/var/lib/hactl").glob(f"run-??????/{word}"))

    def logins(self) -> list[int]:
        """The sshd processes that serve connections, without the listener."""
        servers = self.processes_named("sshd", "sshd-session", "sshd-auth")
        return [pid for pid in servers if parent(pid) in servers]

    def agent(self) -> int:
        """The main shell of the agent that runs now: its parent is an sshd."""
        logins = self.logins()
        shells: list[int] = []

        def find() -> list[int]:
            shells[:] = [pid for pid in self.processes_named("sh") if parent(pid) in logins]
            return shells

        wait_until(find, 5, 0.02, "an agent runs")
        return shells[0]

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process of the host."""
        for pid in self.processes():
            send([pid], number)


def parent(pid: int) -> int:
    """The parent of a process; 0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to the processes that still run."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
