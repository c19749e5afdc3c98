"""The commands of the lab, as argument vectors and batches. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from provision.lab.files import CONTROLLER_V4, CONTROLLER_V6
from provision.lab.layout import NETNS, Layout
from provision.lab.plan import LabHost, LabSpec

GUEST_MEMORY = 256
"""RAM of a guest, in MB."""

GUEST_RESIDENT = 340
"""Memory of a guest's process, in MB (measured with tb-size=64)."""

SNAPSHOT = "ready"
"""QEMU's name of a guest's snapshot."""

SHARE = "/opt/share"
"""The lab's shared folder, as a node sees it."""

NETDEV = "n0"
"""QEMU's name of a guest's network."""

_KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=10 net.ifnames=0 mitigations=off 8250.nr_uarts=2"


def port(spec: LabSpec, host: LabHost) -> str:
    """The bridge port of a host: its number, since interface names have at most 15 characters."""
    return f"p{spec.hosts.index(host)}"


def bridge_batch(spec: LabSpec) -> str:
    """Input of `ip -batch`: the bridge, the directors' taps, and the routes of the lab's logins.

    Multicast snooping is off: without a querier it would drop VRRP's packets (224.0.0.18).
    """
    lines = [
        "link set lo up",
        "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
        f"address add {CONTROLLER_V4}/32 dev br0",
        f"address add {CONTROLLER_V6}/128 dev br0 nodad",
        "link set br0 up",
        f"route add 0.0.0.0/0 dev br0 src {CONTROLLER_V4}",
        "route add ::/0 dev br0",
    ]
    for host in spec.hosts:
        if host.kind == "director":
            name = port(spec, host)
            lines += [f"tuntap add {name} mode tap", f"link set {name} master br0 up"]
    return "\n".join(lines) + "\n"


def in_namespace(namespace: str, argv: Sequence[str]) -> list[str]:
    """`argv` inside a network namespace; unlike with `ip netns exec`, its mounts stay visible."""
    return ["nsenter", f"--net={NETNS / namespace}", *argv]


def in_cgroups(groups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """`argv` in control groups: a shell enters them, then executes the command."""
    enter = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'
    return ["sh", "-ec", enter, "lab", *map(str, groups), "--", *argv]


def qemu(
    spec: LabSpec, host: LabHost, layout: Layout, image: Path, accel: str, *, restore: bool
) -> list[str]:
    """QEMU for a director's guest; `restore` starts it from its snapshot, without booting.

    `no-flush`: a power cut is a SIGKILL of the guest, which the page cache survives. `cache=unsafe`
    would lose the tables of the overlay.
    """
    paths = layout.host(host.name)
    argv = [
        *("qemu-system-x86_64", "-name", f"{layout.namespace}-{host.name}"),
        *("-no-user-config", "-nodefaults", "-accel", accel),
        *("-cpu", "host" if accel == "kvm" else "max", "-smp", "1", "-m", str(GUEST_MEMORY)),
        *("-display", "none", "-rtc", "base=utc", "-serial", f"file:{paths.console}"),
        *("-serial", f"unix:{paths.agent},server=on,wait=off"),
        *("-qmp", f"unix:{paths.qmp},server=on,wait=off"),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")),
        *("-append", _KERNEL_ARGUMENTS),
        *("-blockdev", f"driver=file,node-name=f0,filename={paths.disk},cache.no-flush=on"),
        *("-blockdev", "driver=qcow2,node-name=d0,file=f0"),
        *("-device", "virtio-blk-pci,drive=d0"),
        "-blockdev",
        f"driver=raw,node-name=d1,read-only=on,file.driver=file,file.filename={paths.seed}",
        *("-device", "virtio-blk-pci,drive=d1"),
        *("-netdev", f"tap,id={NETDEV},ifname={port(spec, host)},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev={NETDEV},mac={host.mac},romfile="),
        *("-pidfile", str(paths.pid_file), "-daemonize"),
    ]
    return [*argv, "-loadvm", SNAPSHOT] if restore else argv


def accelerator(kvm: bool) -> str:
    """QEMU's -accel; a small translation cache limits an emulated guest to 340 MB, not 870 MB."""
    return "kvm" if kvm else "tcg,thread=multi,tb-size=64"


def kvm_probe(image: Path) -> list[str]:
    """A guest that panics without a root, which ends QEMU at once, if KVM works."""
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
        *("-no-reboot", "-accel", "kvm", "-cpu", "host", "-m", "128", "-serial", "stdio"),
        *("-kernel", str(image / "vmlinuz"), "-append", "console=ttyS0 panic=-1"),
    ]


def container_network(spec: LabSpec, host: LabHost, layout: Layout) -> list[list[str]]:
    """A new namespace with eth0 on the lab's bridge, for each boot: a reboot loses settings."""
    namespace, name = layout.host(host.name).namespace, port(spec, host)
    inside = ["ip", "-n", layout.namespace, "link"]
    peer = ["type", "veth", "peer", "name", name, "netns", layout.namespace]
    return [
        ["ip", "netns", "add", namespace],
        ["ip", "link", "add", "eth0", "netns", namespace, "address", host.mac, *peer],
        [*inside, "set", name, "master", "br0", "up"],
    ]


def container_unnetwork(spec: LabSpec, host: LabHost, layout: Layout) -> list[list[str]]:
    """The reverse of `container_network`; a command fails if there is nothing to remove."""
    return [
        ["ip", "-n", layout.namespace, "link", "del", port(spec, host)],
        ["ip", "netns", "del", layout.host(host.name).namespace],
    ]


def nspawn(spec: LabSpec, host: LabHost, layout: Layout) -> list[str]:
    """The container of a node, booted with its systemd in the node's namespace."""
    paths = layout.host(host.name)
    return [
        *("env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "systemd-nspawn", "--quiet"),
        *("-D", str(paths.root), "-M", machine_name(spec, host), "--register=no", "--keep-unit"),
        f"--network-namespace-path={NETNS / paths.namespace}",
        "--capability=CAP_NET_ADMIN",
        f"--bind-ro={layout.share}:{SHARE}",
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe", "--boot"),
    ]


def container_carrier(spec: LabSpec, host: LabHost, layout: Layout, *, up: bool) -> list[str]:
    """Set the bridge port up or down; the carrier of its veth peer eth0 follows."""
    return ["ip", "-n", layout.namespace, "link", "set", port(spec, host), "up" if up else "down"]


def machine_name(spec: LabSpec, host: LabHost) -> str:
    """The container's machine name, at most 64 characters long, as host names are (hostname(7))."""
    return f"hl-{spec.name}-{host.hostname}"[:64].strip(".-")


def container_runner(spec: LabSpec, host: LabHost, layout: Layout) -> str:
    """The POSIX sh loop around a container: nspawn exits with 133 if the host reboots."""
    removal = [
        f"{shlex.join(command)} 2>/dev/null || :"
        for command in container_unnetwork(spec, host, layout)
    ]
    creation = [shlex.join(command) for command in container_network(spec, host, layout)]
    body = "\n".join(
        f"    {line}" for line in (*removal, *creation, shlex.join(nspawn(spec, host, layout)))
    )
    end = "\n".join(removal)  # otherwise the namespace of a halted host answers ARP
    loop = f"status=133\nwhile [ $status = 133 ]; do\n{body} && status=0 || status=$?\ndone"
    return f"#!/bin/sh\nset -e\n{loop}\n{end}\n"
