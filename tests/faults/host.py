"""One host of the matrix, seen from outside: its files, its processes, commands run in it, and where it halts.

Nothing here logs in: the only login is that of the deploy under test.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.faults.steps import COMMANDS, Step

HERE = Path(__file__).parent
BREAK = Path("var/lib/faults")
Found = TypeVar("Found")

#: All that a deploy may touch, and the neighbourhood; no times, as what is put back is compared with what was.
#: `systemd-private` folders are named anew by each boot, a stamp holds the number of a process.
SNAPSHOT = """
list() {
    find $places -mindepth 1 '(' -path '*/systemd-private-*' -o -path /run/hactl/loaded -o -path '*/hactl/generations' \
        ')' -prune -o "$@" 2>/dev/null
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


class TooSlow(AssertionError):
    """What was waited for did not come."""


def patiently(what: str, seconds: float, look: Callable[[], Found]) -> Found:
    """What `look` finds, once it is true; TooSlow after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise TooSlow(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return found


class Host:
    """A host whose root is `root` and whose processes are `processes()`, as this machine numbers them."""

    places = "/etc /usr/local /var/lib/hactl /var/www /tmp /var/tmp /run/hactl"
    """Where a snapshot looks."""

    def __init__(self, name: str, root: Path, processes: Callable[[], set[int]]) -> None:
        self.name = name
        self.root = root
        self.processes = processes

    # ------------------------------------------------------------------------------------------- looking and doing

    def init(self) -> int:
        """The host's process 1 as this machine numbers it."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                if status.split("NSpid:")[1].split("\n")[0].split()[1:] == ["1"]:
                    return pid
        raise LookupError(f"{self.name} does not run")

    def run(self, script: str, *, check: bool = True) -> str:
        """What a shell script prints inside."""
        inside = ["nsenter", "-t", str(self.init()), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "sh"]
        done = subprocess.run(
            inside, input=script, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0 or not check, f"{self.name}: {script!r}: {done.stderr}"
        return done.stdout

    def snapshot(self) -> frozenset[str]:
        """What it looks like, a line a fact."""
        return frozenset(self.run(f"places='{self.places}'\n{SNAPSHOT}").splitlines())

    def named(self, *names: str) -> list[int]:
        """Its processes of these names."""
        found = []
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() in names:
                    found.append(pid)
        return found

    # ------------------------------------------------------------------------------------------------- where it halts

    def instrument(self) -> None:
        """Put halt.sh in front of the commands; what an agent calls by name is found there first."""
        (self.root / BREAK).mkdir(parents=True, exist_ok=True)
        for command in COMMANDS:
            target = self.root / "usr/local/bin" / command
            shutil.copy(HERE / "halt.sh", target)
            target.chmod(0o755)

    def arm(self, step: Step) -> None:
        """Halt at this step, the next time that it comes."""
        self.disarm()
        (self.root / BREAK / "at.new").write_text(f"{step.when}\n{step.pattern}\n")
        (self.root / BREAK / "at.new").rename(self.root / BREAK / "at")

    def disarm(self) -> None:
        """Halt nowhere."""
        for name in ("at", "met", "halted", "go"):
            (self.root / BREAK / name).unlink(missing_ok=True)

    def halted(self) -> bool:
        """Whether it stands at the step."""
        return (self.root / BREAK / "halted").exists()

    def go(self) -> None:
        """Go on from there."""
        (self.root / BREAK / "go").touch()

    def waits(self, word: str) -> bool:
        """Whether a transaction there waits for its next word: `ready` or `applied`."""
        return any(Path(f"/proc/{self.init()}/root/var/lib/hactl").glob(f"run-??????/{word}"))

    # ------------------------------------------------------------------------------------------------ whom faults hit

    def logins(self) -> list[int]:
        """The sshd processes that serve connections, none of them the listener."""
        servers = self.named("sshd", "sshd-session", "sshd-auth")
        return [pid for pid in servers if parent(pid) in servers]

    def agent(self) -> int:
        """The main shell of the agent that runs now: the one that sshd started."""
        logins = self.logins()
        return patiently(
            "an agent",
            5,
            lambda: next((pid for pid in self.named("sh") if parent(pid) in logins), 0),
        )

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every process there."""
        for pid in self.processes():
            send([pid], number)


def parent(pid: int) -> int:
    """The parent of a process, 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal; who has ended meanwhile needs none."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
