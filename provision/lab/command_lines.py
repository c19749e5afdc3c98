"""The commands of the lab, as argument vectors and batches. Pure: nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from provision.lab.files import CONTROLLER_V4, CONTROLLER_V6
from provision.lab.layout import NETNS, Layout
from provision.lab.plan import LabHost, LabSpec

# Megabytes of RAM a guest gets, and of memory its process takes (measured: 340 with tb-size=64).
GUEST_MEMORY = 256
GUEST_RESIDENT = 340

SNAPSHOT = "ready"

SHARE = "/opt/share"
"""Where a node finds the lab's shared folder."""

NETDEV = "n0"
"""QEMU's name for a guest's network."""


def port(spec: LabSpec, host: LabHost) -> str:
    """The bridge port of a host: its number, as interface names end at 15 characters."""
    return f"p{spec.hosts.index(host)}"


def bridge_batch(spec: LabSpec) -> str:
    """`ip -batch` input: the bridge, one tap a director, and the way from the lab's logins to every host.

    Snooping is off: on a bridge without a querier it would drop VRRP's multicast (224.0.0.18).
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
    """`argv` inside a network namespace; unlike `ip netns exec`, mounts made there stay visible."""
    return ["nsenter", f"--net={NETNS / namespace}", *argv]


def in_cgroups(groups: Sequence[Path], argv: Sequence[str]) -> list[str]:
    """`argv` in the given control groups: the shell enters them before it becomes the command."""
    enter = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'
    return ["sh", "-ec", enter, "lab", *map(str, groups), "--", *argv]


def qemu(
    spec: LabSpec, host: LabHost, layout: Layout, image: Path, accel: str, *, restore: bool
) -> list[str]:
    """The guest of one director; `restore` starts it from its snapshot instead of booting it.

    No flush reaches the disk (`no-flush`): the guest's power is cut by SIGKILL, never the machine's, and
    the page cache survives that. `cache=unsafe` would lose the overlay's own tables and is not used.
    """
    at = layout.host(host.name)
    argv = [
        "qemu-system-x86_64",
        "-name",
        f"{layout.namespace}-{host.name}",
        "-no-user-config",
        "-nodefaults",
        "-accel",
        accel,
        "-cpu",
        "host" if accel == "kvm" else "max",
        "-smp",
        "1",
        "-m",
        str(GUEST_MEMORY),
        "-display",
        "none",
        "-rtc",
        "base=utc",
        "-serial",
        f"file:{at.console}",
        "-serial",
        f"unix:{at.agent},server=on,wait=off",
        "-qmp",
        f"unix:{at.qmp},server=on,wait=off",
        "-kernel",
        str(image / "vmlinuz"),
        "-initrd",
        str(image / "initrd"),
        "-append",
        "console=ttyS0 quiet panic=10 net.ifnames=0 mitigations=off 8250.nr_uarts=2",
        "-blockdev",
        f"driver=file,node-name=f0,filename={at.disk},cache.no-flush=on",
        "-blockdev",
        "driver=qcow2,node-name=d0,file=f0",
        "-device",
        "virtio-blk-pci,drive=d0",
        "-blockdev",
        f"driver=raw,node-name=d1,read-only=on,file.driver=file,file.filename={at.seed}",
        "-device",
        "virtio-blk-pci,drive=d1",
        "-netdev",
        f"tap,id={NETDEV},ifname={port(spec, host)},script=no,downscript=no",
        "-device",
        f"virtio-net-pci,netdev={NETDEV},mac={host.mac},romfile=",
        "-pidfile",
        str(at.pid_file),
        "-daemonize",
    ]
    return [*argv, "-loadvm", SNAPSHOT] if restore else argv


def accelerator(kvm: bool) -> str:
    """QEMU's -accel: a small translation cache keeps an emulated guest at 340 MB instead of 870."""
    return "kvm" if kvm else "tcg,thread=multi,tb-size=64"


def kvm_probe(image: Path) -> list[str]:
    """A guest that panics for want of a root and so ends QEMU at once, if KVM really runs guests."""
    return [
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-m",
        "128",
        "-serial",
        "stdio",
        "-kernel",
        str(image / "vmlinuz"),
        "-append",
        "console=ttyS0 panic=-1",
    ]


def container_network(spec: LabSpec, host: LabHost, layout: Layout) -> list[list[str]]:
    """A fresh namespace with eth0 on the lab's bridge; made anew for every boot, as a reboot forgets too."""
    namespace, name = layout.host(host.name).namespace, port(spec, host)
    inside = ["ip", "-n", layout.namespace, "link"]
    return [
        ["ip", "netns", "add", namespace],
        [
            "ip",
            "link",
            "add",
            "eth0",
            "netns",
            namespace,
            "address",
            host.mac,
            "type",
            "veth",
            "peer",
            "name",
            name,
            "netns",
            layout.namespace,
        ],
        [*inside, "set", name, "master", "br0", "up"],
    ]


def container_unnetwork(spec: LabSpec, host: LabHost, layout: Layout) -> list[list[str]]:
    """The reverse of `container_network`; each command may fail when there is nothing to remove."""
    return [
        ["ip", "-n", layout.namespace, "link", "del", port(spec, host)],
        ["ip", "netns", "del", layout.host(host.name).namespace],
    ]


def nspawn(spec: LabSpec, host: LabHost, layout: Layout) -> list[str]:
    """The container of one node, booted with its own systemd in the namespace made for it."""
    at = layout.host(host.name)
    return [
        "env",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",
        "systemd-nspawn",
        "--quiet",
        "-D",
        str(at.root),
        "-M",
        machine_name(spec, host),
        "--register=no",
        "--keep-unit",
        f"--network-namespace-path={NETNS / at.namespace}",
        "--capability=CAP_NET_ADMIN",
        f"--bind-ro={layout.share}:{SHARE}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=pipe",
        "--boot",
    ]


def container_carrier(spec: LabSpec, host: LabHost, layout: Layout, *, up: bool) -> list[str]:
    """The container's eth0 loses or regains its carrier with the bridge's port, the other end of its veth pair."""
    return ["ip", "-n", layout.namespace, "link", "set", port(spec, host), "up" if up else "down"]


def machine_name(spec: LabSpec, host: LabHost) -> str:
    """The container's machine name; cut to 64 characters (machine names are host names, hostname(7))."""
    return f"hl-{spec.name}-{host.hostname}"[:64].strip(".-")


def container_runner(spec: LabSpec, host: LabHost, layout: Layout) -> str:
    """The POSIX sh loop around a container: nspawn ends with 133 when the host asked for a reboot."""
    quiet = [f"{shlex.join(c)} 2>/dev/null || :" for c in container_unnetwork(spec, host, layout)]
    fresh = [shlex.join(command) for command in container_network(spec, host, layout)]
    body = "\n".join(
        f"    {line}" for line in (*quiet, *fresh, shlex.join(nspawn(spec, host, layout)))
    )
    end = "\n".join(quiet)  # a halted host must not go on answering ARP from its namespace
    loop = f"status=133\nwhile [ $status = 133 ]; do\n{body} && status=0 || status=$?\ndone"
    return f"#!/bin/sh\nset -e\n{loop}\n{end}\n"
