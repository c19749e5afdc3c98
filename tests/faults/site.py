"""A pair of directors with a VIP, for which nginx answers on both, and the deploy under test.

The directors are containers of the lab, at native speed, with a real systemd, sshd and Keepalived.
VRRP needs no IPVS. All pairs share one lab. A deploy changes one variant of the inventory to the
other.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from provision.lab import cgroups, control
from provision.lab.layout import Layout, cache_root
from provision.lab.plan import LabSpec
from tests.faults.host import Host
from tests.faults.judge import KEPT, LEFT, NEW, OLD, CommandResult
from tests.waiting import wait_until

LAB = "faults"
HACTL = Path(sys.executable).parent / "hactl"
CLIENT = ("client", "192.168.240.9")
DEPLOY_TIMEOUT = 150.0
"""Seconds in which every deploy must end, whatever happened."""

SPECS = (
    "argument_specs:\n  main:\n    short_description: Something to change.\n"
    "    options:\n      cell_variant: {type: int, description: The number of the variant.}\n"
)
ROLES = {
    # Containers have no IPVS. Without services this role has nothing to do.
    "ipvs/manifest.yml": "files: []\n",
    "cell/manifest.yml": (
        "files:\n  - {path: /etc/cell/cell.conf, template: cell.j2, mode: '0640'}\n"
        "sysctls:\n  - {name: net.ipv4.conf.all.log_martians, value: '{{ cell_variant }}'}\n"
    ),
    "spare_address/manifest.yml": (
        "addresses:\n  - {address: '10.99.0.{{ cell_variant }}/32', device: lo, label: 'lo:9'}\n"
    ),
    "cell/defaults/main.yml": "cell_variant: 0\n",
    "cell/templates/cell.j2": "variant {{ cell_variant }} of {{ inventory_hostname }}\n",
    "cell/meta/argument_specs.yml": SPECS,
    "spare_address/meta/argument_specs.yml": SPECS,
    "spare_address/defaults/main.yml": "cell_variant: 0\n",
}


def write_roles(folder: Path) -> None:
    """The roles of the matrix, beside the inventory."""
    for name, text in ROLES.items():
        path = folder / "roles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def pair(number: int) -> dict[str, str]:
    """The names and addresses of a site's directors, the master first."""
    return {
        f"a{number}": f"192.168.240.{100 + 2 * number}",
        f"b{number}": f"192.168.240.{101 + 2 * number}",
    }


def vip(number: int) -> str:
    """The VIP of a site."""
    return f"192.168.240.{10 + number}"


def start_lab(count: int) -> None:
    """Start one lab for all sites; its directors are containers, too."""
    hosts = [
        (name, address, False) for number in range(count) for name, address in pair(number).items()
    ]
    control.up(LabSpec.of(LAB, [*hosts, (*CLIENT, False)]), lambda _text: None)


def layout() -> Layout:
    """The folders of the lab."""
    return Layout(LAB, cache_root())


class Run:
    """A deploy that runs."""

    def __init__(
        self, inventory: Path, before: Sequence[str] = (), words: Sequence[str] = ()
    ) -> None:
        self._out = inventory.with_suffix(f".{uuid.uuid4()}.out")
        self._err = self._out.with_suffix(".err")
        argv = [*before, str(HACTL), "deploy", "--yes", "--json", *words, str(inventory)]
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the controller if it still runs."""
        self._process.send_signal(number)

    def has_ended(self) -> bool:
        """Whether the deploy has ended."""
        return self._process.poll() is not None

    def wait(self) -> CommandResult:
        """Wait for the end of the deploy."""
        self._process.wait(DEPLOY_TIMEOUT)
        out, err = self._out.read_text(), self._err.read_text()
        assert "Traceback" not in err, err
        hosts: Mapping[str, Mapping[str, Any]] = json.loads(out)["hosts"] if out.strip() else {}
        return CommandResult(self._process.returncode, hosts, err[-600:])


class Site:
    """One pair, its inventory in two variants, and the state of its hosts in each."""

    def __init__(self, number: int, folder: Path) -> None:
        self.vip = vip(number)
        self.hosts = {name: _host(name) for name in pair(number)}
        self.victim = self.hosts[f"a{number}"]
        self.current = 1
        self._snapshots: dict[int, dict[str, frozenset[str]]] = {}
        self._folder = folder
        for variant in (0, 1):
            text = yaml.safe_dump(inventory(number, variant), sort_keys=False)
            self.inventory(variant).write_text(text)

    def inventory(self, variant: int) -> Path:
        """The file of a variant."""
        return self._folder / f"{self.victim.name}-{variant}.yml"

    def set_up(self) -> None:
        """Deploy both variants and keep the snapshots of each."""
        self.deploy(0)
        for host in self.hosts.values():
            host.instrument()
        for variant in (1, 0):
            self.deploy(variant)
            wait_until(lambda: not any(map(leftovers, self.look().values())), what="guards end")
            self._snapshots[variant] = self.look()
        self.await_holder()

    def await_holder(self) -> None:
        """Wait until the master alone holds the VIP."""
        master = self.victim.name
        wait_until(lambda: self.holders() == [master], 20, what=f"{master} holds {self.vip}")

    def start(self, variant: int) -> Run:
        """Start a deploy of a variant."""
        return Run(self.inventory(variant))

    def deploy(self, variant: int) -> None:
        """Deploy a variant, which must succeed."""
        result = self.start(variant).wait()
        assert result.code == 0, f"the deploy failed: {result}"
        self.current = variant

    def look(self) -> dict[str, frozenset[str]]:
        """The present snapshots of all its hosts."""
        with ThreadPoolExecutor(2) as pool:
            return dict(zip(self.hosts, pool.map(Host.snapshot, self.hosts.values()), strict=True))

    def states(self, target: int, *, busy: bool = False) -> dict[str, str]:
        """The state of each host: OLD, NEW, or its differences; `target` was to be deployed.

        With `busy` an agent is halted there, and its processes are not a difference.
        """
        snapshots = self.look()
        if busy:
            snapshots = {
                host: frozenset(line for line in lines if "process " not in line)
                for host, lines in snapshots.items()
            }
        return {host: self._state(host, lines, target) for host, lines in snapshots.items()}

    def _state(self, host: str, lines: frozenset[str], target: int) -> str:
        old, new = self._snapshots[1 - target][host], self._snapshots[target][host]
        if lines == new:
            return NEW
        if lines == old:
            return OLD
        # Only a lock is left: the processes of an agent would be in the snapshot, too.
        if {line for line in lines if "/run/hactl/lock" not in line} == old:
            return LEFT
        marks = (*MARKS, "hactl-undo")
        if {line for line in lines if not any(mark in line for mark in marks)} == new:
            return KEPT
        return "\n".join(difference(old, lines))

    def holders(self) -> list[str]:
        """The hosts that have the VIP."""
        count = f"ip -o addr show | grep -c ' {self.vip}/' || :"
        return [name for name, host in self.hosts.items() if host.run(count).strip() != "0"]


MARKS = ("/hactl/run-", "/run/hactl/lock", ".hactl-")
"""Parts of the names of a run's files."""


def leftovers(lines: frozenset[str]) -> list[str]:
    """The lines of a snapshot that belong to a running run."""
    return [
        line for line in lines if any(mark in line for mark in (*MARKS, "process ", "hactl-run"))
    ]


def difference(before: frozenset[str], after: frozenset[str]) -> list[str]:
    """The lines by which two snapshots differ."""
    return [f"-{line}" for line in sorted(before - after)] + [
        f"+{line}" for line in sorted(after - before)
    ]


def _host(name: str) -> Host:
    group = f"{layout().cgroup}/{name}"
    return Host(name, layout().host(name).root, lambda: cgroups.members(group))


def inventory(number: int, variant: int) -> dict[str, Any]:
    """The inventory of a site.

    The variants differ in a file, a kernel parameter and keepalived.conf of both hosts.
    """
    return {
        "all": {
            "vars": {
                "ansible_user": "root",
                "ansible_ssh_common_args": f"-F {layout().ssh_config}",
                "hactl_roles": ["web", "cell"],
                "cell_variant": variant,
                "keepalived": {"vrrp_garp_master_refresh": 60 + variant, "lvs_sync_daemon": False},
                "frontends": [
                    {
                        "name": "web",
                        "vips": [vip(number)],
                        "directors": "directors",
                        "vrrp": {"virtual_router_id": 10 + number},
                    }
                ],
            },
            "children": {
                "directors": {
                    "hosts": {
                        name: {"ansible_host": address} for name, address in pair(number).items()
                    }
                },
                "clients": {"hosts": {CLIENT[0]: {"ansible_host": CLIENT[1], "hactl_roles": []}}},
            },
        }
    }
