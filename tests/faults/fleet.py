"""Twenty hosts of which one becomes unreachable: each a real sshd in a network namespace.

They run the real agents, and have no systemd and no VIP. A deploy changes a file, a kernel
parameter and an address.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.faults.halting import reach, release, settle
from tests.faults.host import Host
from tests.faults.judge import NEW, OLD, CommandResult, false_reports
from tests.faults.outcome import Cell, Outcome, symbol
from tests.faults.site import Run, difference
from tests.faults.steps import Step
from tests.hosts.netns import Namespace, Server, keygen, run

FAULT = "1 of 20 unreachable"
MEANING = "the cable of one host of twenty is pulled, in column connect before the deploy starts"
COUNT = 20
VICTIM = "h7"
STEM = "hactl-fleet"
ROLLBACK_TIMEOUT = 75.0
"""Seconds until an unreachable host has rolled back: a minute of silence, and the rollback."""

STEPS = {
    "connect": None,
    "observe": Step("observe", "", "before", "sha256sum *"),
    "ready": Step("ready", "", "before", "cat */run-??????/files/*", "ready"),
    "change": Step("change", "", "after", "mv -f */.*.hactl-?????? *"),
    "applied": Step("applied", "", "after", "mv -f */.*.hactl-?????? *", "applied"),
    "confirm": Step("confirm", "", "before", "mv */journal */confirmed"),
}
"""The steps of these hosts, which have no Keepalived."""

CELLS = tuple(Cell(FAULT, step) for step in STEPS)


class Box(Host):
    """A host of the fleet: a folder as its root, and a network namespace."""

    places = "/etc/cell /var/lib/hactl /run/hactl /tmp"

    def __init__(self, name: str, server: Server) -> None:
        super().__init__(name, server.path("/"), lambda: {server.process.pid})

    def init(self) -> int:
        """The sshd, the parent of all other processes there."""
        return next(iter(self.processes()))

    def snapshot(self) -> frozenset[str]:
        """The state without processes: `pgrep` would list all processes of this machine."""
        return frozenset(line for line in super().snapshot() if not line.startswith("process "))


class Fleet:
    """Twenty hosts, each with its own cable to the controller's namespace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spaces = [Namespace(f"{STEM}-c")]
        self._servers: list[Server] = []
        self.boxes: dict[str, Box] = {}
        self.current = 0
        self._snapshots: dict[int, dict[str, frozenset[str]]] = {}

    def boot(self) -> None:
        """Start all hosts, and deploy both variants."""
        key = keygen(self._folder / "key")
        known = []
        for number in range(COUNT):
            server = self._box(number, key)
            self._servers.append(server)
            self.boxes[f"h{number}"] = Box(f"h{number}", server)
            known.append(server.known_hosts(self._folder / f"known-{number}").read_text())
        (self._folder / "known_hosts").write_text("".join(known))
        for variant in (0, 1):
            self.inventory(variant).write_text(
                yaml.safe_dump(self._inventory(variant, key), sort_keys=False)
            )
        self.boxes[VICTIM].instrument()
        for variant in (1, 0):
            self.deploy(variant)
            self._snapshots[variant] = self.look()

    def _box(self, number: int, key: Path) -> Server:
        client, space = self._spaces[0], Namespace(f"{STEM}-{number}")
        self._spaces.append(space)
        run(
            "ip", "-n", client.name, "link", "add", f"h{number}",
            "type", "veth", "peer", "name", "eth0", "netns", space.name,
        )  # fmt: skip
        for name, device, last in ((client.name, f"h{number}", 1), (space.name, "eth0", 2)):
            run("ip", "-n", name, "addr", "add", f"10.77.{number}.{last}/30", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
        return Server(space, f"10.77.{number}.2", self._folder / f"h{number}", key)

    def delete(self) -> None:
        """Delete all hosts and namespaces."""
        for server in self._servers:
            server.delete()
        for space in self._spaces:
            space.delete()

    def inventory(self, variant: int) -> Path:
        """The file of a variant."""
        return self._folder / f"fleet-{variant}.yml"

    def _inventory(self, variant: int, key: Path) -> dict[str, Any]:
        hosts = {f"h{number}": {"ansible_host": f"10.77.{number}.2"} for number in range(COUNT)}
        login = (
            f"-o UserKnownHostsFile={self._folder / 'known_hosts'} "
            "-o IdentitiesOnly=yes -o ConnectTimeout=5"
        )
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key),
            "ansible_ssh_common_args": login,
            "cell_variant": variant,
        }
        frontend = {
            "name": "x",
            "vips": ["10.78.0.9"],
            "directors": "x",
            "vrrp": {"virtual_router_id": 1},
        }
        fleet = {"hosts": hosts, "vars": {"hactl_roles": ["cell", "spare_address"]}}
        elsewhere = {
            "hosts": {"d0": {"ansible_host": "10.78.0.1"}, "d1": {"ansible_host": "10.78.0.2"}}
        }
        return {
            "all": {
                "vars": {**variables, "frontends": [frontend]},
                "children": {"fleet": fleet, "x": elsewhere},
            }
        }

    def start(self, variant: int) -> Run:
        """Start a deploy of a variant."""
        inside = ["nsenter", f"--net={self._spaces[0].path}"]
        return Run(self.inventory(variant), inside, ["--limit", "fleet"])

    def deploy(self, variant: int) -> None:
        """Deploy a variant, which must succeed."""
        result = self.start(variant).wait()
        assert result.code == 0, f"the deploy failed: {result}"
        self.current = variant

    def look(self) -> dict[str, frozenset[str]]:
        """The present snapshots of all hosts."""
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(self.boxes, pool.map(Box.snapshot, self.boxes.values()), strict=True))

    def states(self, target: int) -> dict[str, str]:
        """The state of each host: OLD, NEW, or its differences from the old state."""
        names = {
            host: {self._snapshots[target][host]: NEW, self._snapshots[1 - target][host]: OLD}
            for host in self.boxes
        }
        return {
            host: names[host].get(lines)
            or "\n".join(difference(self._snapshots[1 - target][host], lines))
            for host, lines in self.look().items()
        }

    @contextmanager
    def unplugged(self, host: str) -> Iterator[None]:
        """Pull the cable of a host without a notice to either end."""
        cable = ["ip", "-n", self._spaces[0].name, "link", "set", host]
        subprocess.run([*cable, "down"], check=True)
        try:
            yield
        finally:
            subprocess.run([*cable, "up"], check=True)


def run_cell(fleet: Fleet, cell: Cell) -> Outcome:
    """Pull the cable of one host at the cell's step, and check all hosts."""
    outcome, started, target = Outcome(cell.fault, cell.step), time.monotonic(), 1 - fleet.current
    try:
        result, states = _run(fleet, STEPS[cell.step], target)
        outcome.code, outcome.end = result.code, symbol(states[VICTIM], result.message(VICTIM))
        outcome.problems += [
            f"{host}: {state}" for host, state in states.items() if state not in (OLD, NEW)
        ]
        outcome.problems += false_reports(result, states)
        if result.code == 0:
            outcome.problems.append("the deploy succeeded, although a host could not be reached")
    except (AssertionError, LookupError) as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    outcome.problems += _next_deploy(fleet, target)
    outcome.seconds = round(time.monotonic() - started, 1)
    return outcome


def _run(fleet: Fleet, step: Step | None, target: int) -> tuple[CommandResult, dict[str, str]]:
    victim = fleet.boxes[VICTIM]
    if step is None:
        with fleet.unplugged(VICTIM):
            return fleet.start(target).wait(), fleet.states(target)
    run = reach(victim, step, lambda: fleet.start(target))
    with fleet.unplugged(VICTIM):
        release(victim, run)
        result = run.wait()
        return result, settle(fleet.states, target, ROLLBACK_TIMEOUT)


def _next_deploy(fleet: Fleet, target: int) -> Sequence[str]:
    fleet.boxes[VICTIM].disarm()
    try:
        fleet.deploy(target)
    except AssertionError as error:
        return [str(error)]
    return [
        f"after the next deploy {host}: {state}"
        for host, state in fleet.states(target).items()
        if state != NEW
    ]
