"""The paths of a lab, derived from its name, so that `down` finds the remains of a killed `up`.

/run/hactl/lab/NAME/           the state of a running lab: lab.json, ssh_config, sockets, pid files
$HACTL_CACHE/lab/DIGEST/       the image: root/, disk.img, vmlinuz, initrd, warm/ (snapshots)
$HACTL_CACHE/lab/hosts/NAME/   disks and changed files of the hosts (too big for /run)
$HACTL_CACHE/lab/share/        the folder that every node sees read-only as /opt/share
$HACTL_CACHE/lab/keys/NAME/    the lab's SSH keys; they stay, since snapshots have them
namespaces hl-NAME (bridge, guests) and hl-NAME-HOST (containers); control groups hl-NAME/HOST
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run/hactl/lab")
NETNS = Path("/run/netns")


def cache_root() -> Path:
    """The cache of all labs: /var/cache/hactl/lab, or below $HACTL_CACHE."""
    return Path(os.environ.get("HACTL_CACHE") or "/var/cache/hactl").resolve() / "lab"


@dataclass(frozen=True)
class HostLayout:
    """The paths of a lab's host."""

    state: Path
    data: Path
    namespace: str

    @property
    def console(self) -> Path:
        """The host's console output."""
        return self.state / "console.log"

    @property
    def pid_file(self) -> Path:
        """The process id of the guest, or of the loop around the container."""
        return self.state / "pid"

    @property
    def qmp(self) -> Path:
        """The guest's monitor socket."""
        return self.state / "qmp"

    @property
    def agent(self) -> Path:
        """The socket of the guest's second serial line, for lab-agent."""
        return self.state / "agent"

    @property
    def seed(self) -> Path:
        """The tar with the host's files."""
        return self.data / "seed.tar"

    @property
    def disk(self) -> Path:
        """The guest's changes to the image."""
        return self.data / "disk.qcow2"

    @property
    def root(self) -> Path:
        """The mount point of the container's root."""
        return self.data / "root"

    @property
    def upper(self) -> Path:
        """The container's changes to the image."""
        return self.data / "upper"

    @property
    def runner(self) -> Path:
        """The script that starts the container, again after each reboot."""
        return self.state / "run.sh"


@dataclass(frozen=True)
class Layout:
    """The paths of a lab."""

    name: str
    cache: Path

    @property
    def state(self) -> Path:
        """The folder that exists as long as the lab."""
        return RUN / self.name

    @property
    def record(self) -> Path:
        """The lab's spec, image and accelerator, as JSON."""
        return self.state / "lab.json"

    @property
    def ready(self) -> Path:
        """The file that exists after `up` has finished."""
        return self.state / "ready"

    @property
    def ssh_config(self) -> Path:
        """The file for `ssh -F`."""
        return self.state / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the lab."""
        return self.state / "known_hosts"

    @property
    def data(self) -> Path:
        """The folder of disks and changed files."""
        return self.cache / "hosts" / self.name

    @property
    def keys(self) -> Path:
        """The folder of the login key `id_ed25519` and the host keys `host-HOST`."""
        return self.cache / "keys" / self.name

    @property
    def share(self) -> Path:
        """The folder that nodes see read-only as /opt/share; it is common to all labs."""
        return self.cache / "share"

    @property
    def lock(self) -> Path:
        """The lock file that a command holds while it changes the lab."""
        return self.cache / "locks" / self.name

    @property
    def namespace(self) -> str:
        """The network namespace of the bridge and the guests."""
        return f"hl-{self.name}"

    @property
    def cgroup(self) -> str:
        """The lab's control group, relative to each hierarchy's root."""
        return f"hl-{self.name}"

    def host(self, name: str) -> HostLayout:
        """The paths of a host."""
        return HostLayout(self.state / "hosts" / name, self.data / name, f"{self.namespace}-{name}")
