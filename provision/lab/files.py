"""The contents of the files that the lab writes, in its hosts and for its users. Pure."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from provision.lab.layout import NETNS, Layout
from provision.lab.plan import LabHost, LabSpec

# The source addresses of logins: link-local and unique-local, so that they are in no inventory.
CONTROLLER_V4 = "169.254.113.1"
CONTROLLER_V6 = "fd68:6163:746c::1"


@dataclass(frozen=True)
class SeedFile:
    """A file of a host: its text and its permission bits."""

    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class HostKeys:
    """The SSH keys on a host: its host key pair, and the lab's public key for logins."""

    private: str
    public: str
    authorized: str


def seed(spec: LabSpec, host: LabHost, keys: HostKeys) -> dict[str, SeedFile]:
    """The files that a host has besides the image, by path relative to its root."""
    identity = f"{spec.name}/{host.name}/{host.addresses}"
    machine_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return {
        "etc/hostname": SeedFile(f"{host.hostname}\n"),
        "etc/hosts": SeedFile(hosts_file(spec)),
        "etc/machine-id": SeedFile(f"{machine_id}\n", 0o444),
        "etc/network/interfaces": SeedFile(interfaces(host)),
        "etc/ssh/ssh_host_ed25519_key": SeedFile(keys.private, 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": SeedFile(keys.public),
        "root/.ssh/authorized_keys": SeedFile(keys.authorized, 0o600),
    }


def hosts_file(spec: LabSpec) -> str:
    """/etc/hosts, since the lab has no name server."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in spec.hosts:
        names = host.hostname if host.hostname == host.name else f"{host.hostname} {host.name}"
        lines += [f"{address.partition('/')[0]} {names}" for address in host.addresses]
    return "\n".join(lines) + "\n"


def interfaces(host: LabHost) -> str:
    """interfaces(5) for eth0.

    The lab is one flat link: an on-link default route connects hosts, VIPs and clients of different
    subnets. DAD is off, as it delays every address by a second (RFC 4862 §5.4).
    """
    lines = [
        "source /etc/network/interfaces.d/*",
        "",
        "auto lo",
        "iface lo inet loopback",
        "",
        "auto eth0",
    ]
    for address in host.addresses:
        v6 = ipaddress.ip_interface(address).version == 6
        lines += [f"iface eth0 {'inet6' if v6 else 'inet'} static", f"    address {address}"]
        if v6:
            lines += ["    dad-attempts 0", "    accept_ra 0"]
        controller = f"{CONTROLLER_V6}/128" if v6 else f"{CONTROLLER_V4}/32"
        lines.append(f"    up ip route replace {controller} dev eth0")
    lines += [
        "    up ip route replace default dev eth0 || true",
        "    up ip -6 route replace default dev eth0 || true",
    ]
    return "\n".join(lines) + "\n"


def seed_tar(files: Mapping[str, SeedFile]) -> bytes:
    """The files as a tar, owned by root; equal files give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folder = tarfile.TarInfo("root/.ssh")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(folder)
        for path, file in sorted(files.items()):
            data = file.text.encode()
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), file.mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def ssh_config(spec: LabSpec, layout: Layout) -> str:
    """ssh_config(5) by name and address, through the lab's namespace, with checked host keys.

    Its key exchange is the fastest for an emulated director. `nodelay` is important: without it, an
    exec waits about 40 ms for a delayed acknowledgement.
    """
    return "\n".join(_ssh_block(host, layout) for host in spec.hosts)


def _ssh_block(host: LabHost, layout: Layout) -> str:
    v6 = ipaddress.ip_address(host.address).version == 6
    target = f"TCP6:[{host.address}]" if v6 else f"TCP4:{host.address}"
    return f"""Host {host.name} {host.address}
    HostName {host.address}
    User root
    IdentityFile {layout.keys / "id_ed25519"}
    IdentitiesOnly yes
    UserKnownHostsFile {layout.known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    HostKeyAlgorithms ssh-ed25519
    KexAlgorithms curve25519-sha256
    ProxyCommand nsenter --net={NETNS / layout.namespace} socat - {target}:%p,nodelay
"""


def known_hosts(spec: LabSpec, public: Mapping[str, str]) -> str:
    """known_hosts: the hosts' public keys by name and address."""
    lines = []
    for host in spec.hosts:
        names = ",".join(dict.fromkeys((host.name, host.address)))
        lines.append(f"{names} {' '.join(public[host.name].split()[:2])}\n")
    return "".join(lines)
