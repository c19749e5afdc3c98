"""A poll of a healthy site, built from the topology alone; tests then break one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provision.checks.status.build import HostLog, PollResult, parse_host_log, status
from provision.checks.status.model import Status
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveServer, LiveService
from tests.hosts.live.building import healthy
from tests.inventory.building import frontend, topology

VIP = "192.168.227.10"
LAB = topology([frontend()])
NOW = 1795325600.0
SERVICE = LiveService(
    f"-t {VIP}:80",
    "rr",
    (
        LiveServer("192.168.227.103", 80, "dr", 1, 3, 7),
        LiveServer("192.168.227.104", 80, "dr", 1, 0, 1),
    ),
)


def poll(
    *unreachable: str,
    taken: float = NOW,
    sections: Mapping[str, Sequence[str]] | None = None,
    **changes: Mapping[str, Any],
) -> PollResult:
    """Return a poll of all managed hosts but the unreachable ones.

    `sections` are those of lvs1's host log. `changes` are fields that differ, by host.
    """
    healthy_hosts = healthy(LAB)
    hosts = [host for host in healthy_hosts if host in LAB.managed() and host not in unreachable]
    lives = {}
    for host in hosts:
        services = {"services": (SERVICE,)} if host in LAB.directors() else {}
        lives[host] = replace(healthy_hosts[host], **{**services, **changes.get(host, {})})
    logs = dict.fromkeys(hosts, HostLog(NOW))
    if "lvs1" in logs:
        logs["lvs1"] = parse_host_log({"clock": [str(NOW)], **(sections or {})})
    errors = {host: f"{host}: no route to host" for host in unreachable}
    return PollResult(Snapshot(LAB, lives), logs, errors, dict.fromkeys(hosts, 0), taken)


def site_status(*unreachable: str, before: Status | None = None, **changes: Any) -> Status:
    """Return the status of the site after a poll with these changes."""
    return status("site.yml", poll(*unreachable, **changes), before)
