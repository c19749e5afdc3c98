"""The lab's SSH keys: a login key and host keys. They stay, since snapshots of guests have them."""

from __future__ import annotations

from pathlib import Path

from provision.lab.files import HostKeys
from provision.lab.layout import Layout
from provision.lab.plan import LabHost, LabSpec
from provision.lab.subprocesses import run

LOGIN = "id_ed25519"


def ensure(spec: LabSpec, layout: Layout) -> None:
    """Create missing keys, which only root can read."""
    layout.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (LOGIN, *(f"host-{host.name}" for host in spec.hosts)):
        path = layout.keys / name
        if not path.with_name(f"{name}.pub").exists():
            path.unlink(missing_ok=True)
            comment = f"hactl-lab-{spec.name}"
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])


def of_host(host: LabHost, layout: Layout) -> HostKeys:
    """The keys on a host."""
    private = layout.keys / f"host-{host.name}"
    return HostKeys(
        private.read_text(), public(host, layout), (layout.keys / f"{LOGIN}.pub").read_text()
    )


def public(host: LabHost, layout: Layout) -> str:
    """The host's public key."""
    return Path(layout.keys / f"host-{host.name}.pub").read_text()
