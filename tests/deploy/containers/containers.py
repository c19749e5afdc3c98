"""Two directors and a client as containers: real systemd, sshd, Keepalived and VRRP, but no IPVS.

They run at native speed. The kernel of the machine may have no IPVS, so the director that holds a
VIP serves it with its own web server. The real server accepts connections for the VIP, but no
director sends it any. Items that need IPVS are not deployed.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

from provision.commands.deploy import DeployTarget, carry_out
from provision.core.errors import Exit
from provision.core.facts import Facts
from provision.deploy.inspection import inspect
from provision.deploy.project import Project, load
from provision.deploy.results import HostResult
from provision.deploy.vrrp_compatibility import CONFIG
from provision.desired.items import DesiredHost, File, Item
from provision.hosts.sessions import Sessions
from tests.hosts.told import Told

HOSTS = {
    "lvs1": "192.168.228.101",
    "lvs2": "192.168.228.102",
    "web1": "192.168.228.103",
    "client": "192.168.228.100",
}
DIRECTORS, MANAGED = ("lvs1", "lvs2"), ("lvs1", "lvs2", "web1")
VIP, OTHER = "192.168.228.10", "192.168.228.11"

INVENTORY = """
all:
  vars:
    ansible_user: root
    keepalived: {lvs_sync_daemon: null}
    frontends:
      - name: web
        vips: [192.168.228.10]
        directors: directors
        vrrp: {virtual_router_id: 10, advert_int: 0.2}
        services:
          - {port: 80, real_servers: [web1], check: {type: tcp, interval: 2}}
  children:
    directors:
      hosts:
        lvs1: {ansible_host: 192.168.228.101, vrrp_priority: 100}
        lvs2: {ansible_host: 192.168.228.102, vrrp_priority: 99}
    web: {hosts: {web1: {ansible_host: 192.168.228.103, hactl_roles: [web]}}}
    clients: {hosts: {client: {ansible_host: 192.168.228.100}}}
"""


@dataclasses.dataclass
class DeployResult:
    """The results of the hosts, the exit code, the events, and the external check's summary."""

    results: dict[str, HostResult]
    code: Exit
    events: list[str]
    outside: str

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each host."""
        return {host: result.outcome for host, result in self.results.items()}


class Recorder(Told):
    """Records events; `on_step` is called with each step of a host, before the run goes on."""

    def __init__(self, on_step: Callable[[str, str], None] | None = None) -> None:
        super().__init__()
        self._on_step = on_step

    def host(self, host: str, text: str) -> None:
        """Record a step of a host."""
        super().host(host, text)
        if self._on_step:
            self._on_step(host, text)


class Site:
    """The containers, and an inventory that each deploy edits."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def project(self, *edits: tuple[str, str]) -> Project:
        """The inventory with edits of its text."""
        text = INVENTORY
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        path = self._folder / f"{self.name}.yml"
        path.write_text(text)
        return load(path)

    def deploy(
        self, *edits: tuple[str, str], on_step: Callable[[str, str], None] | None = None
    ) -> DeployResult:
        """Deploy the edited inventory as the command does, without a question."""
        project, events = self.project(*edits), Recorder(on_step)

        def render(host: str, facts: Facts) -> DesiredHost:
            desired = project.render(host, facts)
            return DesiredHost(
                host,
                tuple(
                    _without_virtual_servers(item)
                    for item in desired.items
                    if not _needs_ipvs(item)
                ),
            )

        targets = project.targets(MANAGED, lab=True)
        secrets = project.inventory.secrets
        with inspect(targets, render, secrets, events, mend=True) as inspection:
            inspection.raise_failures()
            results, code = carry_out(
                project, inspection, 0, events, DeployTarget(render, secrets), lab=True
            )
            return DeployResult(
                {result.host: result for result in results}, code, events.lines, inspection.outside
            )

    def sessions(self) -> Sessions:
        """Logins to all hosts."""
        return Sessions(self.project().targets(tuple(HOSTS), lab=True))

    def ssh(self, host: str, script: str) -> str:
        """The output of a script on a host."""
        config = f"/run/hactl/lab/{self.name}/ssh_config"
        done = subprocess.run(
            ["ssh", "-F", config, host, script],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def _needs_ipvs(item: Item) -> bool:
    return item.kind == "module" or item.name.startswith("net.ipv4.vs.") or "ipvsadm" in item.name


def _without_virtual_servers(item: Item) -> Item:
    """keepalived.conf without its virtual servers, which come last.

    Without IPVS in the kernel the checker ends.
    """
    if not isinstance(item, File) or item.name != CONFIG:
        return item
    head, _, _ = item.content.partition(b"\nvirtual_server")
    return dataclasses.replace(item, content=head + b"\n")
