"""Where a lab keeps its things, all derived from its name, so that `down` finds what a killed `up` left.

/run/hactl/lab/NAME/           what lives as long as the lab: lab.json, ssh_config, sockets, pid files
$HACTL_CACHE/lab/DIGEST/       the image: root/, disk.img, vmlinuz, initrd, warm/ (snapshots)
$HACTL_CACHE/lab/hosts/NAME/   disks and changed files of the hosts (too big for /run)
$HACTL_CACHE/lab/share/        what every node sees read-only as /opt/share
$HACTL_CACHE/lab/keys/NAME/    the lab's SSH keys; they outlive it, as the snapshots know them
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
    """The places of one host of a lab."""

    state: Path
    data: Path
    namespace: str

    @property
    def console(self) -> Path:
        """What the host wrote to its console."""
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
        """The guest's second serial line, where lab-agent answers."""
        return self.state / "agent"

    @property
    def seed(self) -> Path:
        """The tar with the host's own settings."""
        return self.data / "seed.tar"

    @property
    def disk(self) -> Path:
        """What the guest changed of the image."""
        return self.data / "disk.qcow2"

    @property
    def root(self) -> Path:
        """Where the container's root is mounted."""
        return self.data / "root"

    @property
    def upper(self) -> Path:
        """What the container changed of the image."""
        return self.data / "upper"

    @property
    def runner(self) -> Path:
        """The script that starts the container, again after each reboot."""
        return self.state / "run.sh"


@dataclass(frozen=True)
class Layout:
    """The places of one lab."""

    name: str
    cache: Path

    @property
    def state(self) -> Path:
        """The folder that exists exactly as long as the lab."""
        return RUN / self.name

    @property
    def record(self) -> Path:
        """The lab's spec, image and accelerator, as JSON."""
        return self.state / "lab.json"

    @property
    def ready(self) -> Path:
        """Exists once `up` has finished."""
        return self.state / "ready"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`, with one block a host."""
        return self.state / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys of the lab."""
        return self.state / "known_hosts"

    @property
    def data(self) -> Path:
        """Disks and changed files."""
        return self.cache / "hosts" / self.name

    @property
    def keys(self) -> Path:
        """The lab's key `id_ed25519` and a host key `HOST` for each host."""
        return self.cache / "keys" / self.name

    @property
    def share(self) -> Path:
        """What every node sees, read-only, as /opt/share: too big for an image, and the same for all labs."""
        return self.cache / "share"

    @property
    def lock(self) -> Path:
        """Held while a command changes the lab."""
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
        """The places of one host."""
        return HostLayout(self.state / "hosts" / name, self.data / name, f"{self.namespace}-{name}")
