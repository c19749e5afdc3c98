"""A small inventory for the tests of roles, rendered as a deploy does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provision.core.facts import Facts, Interface
from provision.desired.items import DesiredHost, File, Sysctl
from provision.desired.render import render_host
from provision.inventory.reader import read_inventory
from provision.inventory.topology import build

INVENTORY = """
all:
  vars:
    frontends:
      - name: web
        vips: {vips}
        directors: directors
        vrrp: {{virtual_router_id: 10}}
        services:
          - {{port: 80, scheduler: rr, real_servers: web, check: {{type: tcp}}, {service}}}
  children:
    directors:
      hosts:
        lvs1: {{ansible_host: 192.168.227.101, {director}}}
        lvs2: {{ansible_host: 192.168.227.102}}
    web: {{hosts: {{web1: {{ansible_host: 192.168.227.103, hactl_roles: [web], {real_server}}}}}}}
"""

DEBIAN: dict[str, Any] = {
    "interfaces": (
        Interface("eth0", ("192.168.227.101/24", "fd00::101/64")),
        Interface("ens33", ("192.168.227.103/24", "fd00::103/64")),
    ),
    "default_interface": "eth0",
}
REDHAT: dict[str, Any] = {**DEBIAN, "os_family": "redhat", "os_id": "rocky", "os_version": "8"}


def render(
    folder: Path,
    host: str,
    *,
    vips: str = "[192.168.227.10]",
    service: str = "forward: dr",
    director: str = "hactl_facts: {}",
    real_server: str = "hactl_facts: {}",
    **facts: Any,
) -> DesiredHost:
    """The desired state of `host`; the texts go into the inventory as they are."""
    path = folder / "inventory.yml"
    path.write_text(
        INVENTORY.format(vips=vips, service=service, director=director, real_server=real_server)
    )
    inventory = read_inventory(path)
    return render_host(build(inventory), inventory, host, Facts(**{**DEBIAN, **facts}))


def sysctls(desired: DesiredHost) -> dict[str, str]:
    """The kernel parameters by name."""
    return {item.name: item.value for item in desired.of("sysctl") if isinstance(item, Sysctl)}


def content(desired: DesiredHost, path: str) -> str:
    """The text of a file."""
    item = desired.get("file", path)
    assert isinstance(item, File), (
        f"{path} is not among {[item.name for item in desired.of('file')]}"
    )
    return item.content.decode()
