"""Two directors and a client as containers, at native speed: real systemd, sshd, Keepalived and VRRP, but no IPVS.

The kernel of the machine may have no IPVS, so whoever holds a VIP serves it itself, by a web server that each director
has; the real server is there, and takes connections for the VIP, but no director sends it any. What would need IPVS is
left out of what is deployed.
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
class Done:
    """What a deploy came to: each host's result, the exit code, what was told, and about the check from outside."""

    results: dict[str, HostResult]
    code: Exit
    told: list[str]
    outside: str

    @property
    def outcomes(self) -> dict[str, str]:
        """How each host came out."""
        return {host: result.outcome for host, result in self.results.items()}


class Steps(Told):
    """Events, kept; `at` is called with each step of a host, before the run goes on."""

    def __init__(self, at: Callable[[str, str], None] | None = None) -> None:
        super().__init__()
        self._at = at

    def host(self, host: str, text: str) -> None:
        """A step."""
        super().host(host, text)
        if self._at:
            self._at(host, text)


class Site:
    """The containers, and an inventory that is edited from deploy to deploy."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def project(self, *edits: tuple[str, str]) -> Project:
        """The inventory after some edits of its text."""
        text = INVENTORY
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        path = self._folder / f"{self.name}.yml"
        path.write_text(text)
        return load(path)

    def deploy(self, *edits: tuple[str, str], at: Callable[[str, str], None] | None = None) -> Done:
        """Deploy the edited inventory as the command does, asking nobody."""
        project, told = self.project(*edits), Steps(at)

        def render(host: str, facts: Facts) -> DesiredHost:
            desired = project.render(host, facts)
            return DesiredHost(
                host, tuple(_plain(item) for item in desired.items if not _needs_ipvs(item))
            )

        targets = project.targets(MANAGED, lab=True)
        secrets = project.inventory.secrets
        with inspect(targets, render, secrets, told, mend=True) as found:
            found.raise_failures()
            results, code = carry_out(
                project, found, 0, told, DeployTarget(render, secrets), lab=True
            )
            return Done(
                {result.host: result for result in results}, code, told.lines, found.outside
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


def _plain(item: Item) -> Item:
    """keepalived.conf without its virtual servers, which come last: the checker ends where the kernel has no IPVS."""
    if not isinstance(item, File) or item.name != CONFIG:
        return item
    head, _, _ = item.content.partition(b"\nvirtual_server")
    return dataclasses.replace(item, content=head + b"\n")
