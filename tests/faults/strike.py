"""The faults: the rows of the matrix. Each fault strikes while the host halts at a step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from provision.lab import control
from tests.faults.halting import settle
from tests.faults.host import Host, send
from tests.faults.judge import CommandResult
from tests.faults.site import LAB, Run, Site


@dataclass(frozen=True)
class SecondDeploy:
    """A deploy that ran while the first was halted, and the states before and after it."""

    result: CommandResult
    before: dict[str, str]
    after: dict[str, str]


@dataclass
class Scene:
    """A deploy of `target` that is halted at a step; `second` is another deploy that ran then."""

    site: Site
    target: int
    run: Run
    second: SecondDeploy | None = None

    @property
    def host(self) -> Host:
        """The halted host: the master."""
        return self.site.victim


def no_repair(_scene: Scene) -> None:
    """Repair nothing."""


def no_action(_host: Host) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    `prepare` runs before the deploy, `strike` at the step, `mend` when the deploy has ended, and
    `clear` when the next deploy has succeeded. Within `seconds` after `mend` nothing may be left of
    the run.
    """

    name: str
    meaning: str
    strike: Callable[[Scene], None]
    prepare: Callable[[Host], object] = no_action
    mend: Callable[[Scene], object] = no_repair
    clear: Callable[[Host], object] = no_action
    seconds: float = 20.0


def kill_controller(scene: Scene) -> None:
    scene.run.signal(signal.SIGKILL)


def cut_connection(scene: Scene) -> None:
    send(scene.host.logins(), signal.SIGKILL)


def kill_agent(scene: Scene) -> None:
    send([scene.host.agent()], signal.SIGKILL)
    scene.host.go()  # The command that the agent has started ends in its own way.


def kill_login(scene: Scene) -> None:
    """Kill all processes of the session at once, as a login manager does."""
    os.killpg(os.getpgid(scene.host.agent()), signal.SIGKILL)


def cut_power(scene: Scene) -> None:
    control.cut(LAB, scene.host.name, lambda _text: None)
    scene.host.disarm()
    control.boot(LAB, scene.host.name, lambda _text: None)


SMALL_DISK = """
set -e
mkdir -p /mnt/small /mnt/big; mount --bind /var/lib/hactl /mnt/big; mount --make-private /mnt/big
mount -t tmpfs -o size=3m,mode=755 small /mnt/small
for folder in /var/lib/hactl /etc/keepalived /etc/cell; do
    mkdir -p "/mnt/small$folder"; cp -a "$folder/." "/mnt/small$folder/"
    mount --bind "/mnt/small$folder" "$folder"
done
for watched in handover drain; do mount --bind /mnt/big/$watched /var/lib/hactl/$watched; done
"""
"""Puts the folders that a deploy writes to on a small disk, which can be filled.

Keepalived watches its hand-over and drain files by inode (inotify(7)), so these folders stay on the
big disk.
"""
BIG_DISK = """
set -e
umount -l /var/lib/hactl/handover /var/lib/hactl/drain /var/lib/hactl
umount -l /etc/keepalived /etc/cell /mnt/big
rm -rf /mnt/small/var/lib/hactl/handover /mnt/small/var/lib/hactl/drain
for folder in /var/lib/hactl /etc/keepalived /etc/cell; do
    find "$folder" -mindepth 1 -maxdepth 1 ! -name handover ! -name drain -exec rm -rf {} +
    cp -a "/mnt/small$folder/." "$folder/"
done
umount -l /mnt/small; rmdir /mnt/small /mnt/big
"""


def fill_disk(scene: Scene) -> None:
    scene.host.run(
        "dd if=/dev/zero of=/mnt/small/full bs=4k 2>/dev/null; df /mnt/small | grep -q ' 100% '"
    )


def make_read_only(scene: Scene) -> None:
    scene.host.run(
        "mount --bind /etc /etc && mount -o remount,bind,ro /etc && ! touch /etc/cell/x 2>/dev/null"
    )


def begin_second(scene: Scene) -> None:
    states = partial(scene.site.states, busy=True)
    before = states(scene.target)
    result = scene.site.start(scene.target).wait()
    scene.second = SecondDeploy(result, before, settle(states, scene.target, 5))


def stall(scene: Scene) -> None:
    """Stop all processes of the host until the controller gives up."""
    scene.host.signal_all(signal.SIGSTOP)


def kill_keepalived(scene: Scene) -> None:
    send(scene.host.processes_named("keepalived"), signal.SIGKILL)


FAULTS = (
    Fault("controller killed", "hactl gets SIGKILL", kill_controller),
    Fault("connection cut", "the sshd processes of the login get SIGKILL", cut_connection),
    Fault("agent killed", "the agent's main shell gets SIGKILL", kill_agent),
    Fault(
        "login killed",
        "all processes of the login get SIGKILL, as a login manager does",
        kill_login,
    ),
    Fault(
        "disk full",
        "no byte is free below /var/lib/hactl and the managed folders of /etc",
        fill_disk,
        prepare=lambda host: host.run(SMALL_DISK),
        mend=lambda scene: scene.host.run("rm /mnt/small/full"),
        clear=lambda host: host.run(BIG_DISK),
    ),
    Fault(
        "/etc read-only",
        "/etc is remounted read-only until the deploy has ended",
        make_read_only,
        mend=lambda scene: scene.host.run("umount /etc"),
    ),
    Fault("power cut", "the host loses its power and boots again", cut_power, seconds=40.0),
    Fault("second deploy", "another hactl deploys the same inventory", begin_second),
    Fault(
        "host stalled",
        "all processes of the host are stopped until hactl gives up, a minute",
        stall,
        mend=lambda scene: scene.host.signal_all(signal.SIGCONT),
        seconds=40.0,
    ),
    Fault(
        "keepalived killed",
        "all processes of Keepalived get SIGKILL",
        kill_keepalived,
        seconds=40.0,
    ),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
