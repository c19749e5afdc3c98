"""A look at a whole site that is well, from the topology alone; tests then break one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provision.checks.status.build import HostLog, PollResult, recalled
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


def looked(
    *gone: str,
    taken: float = NOW,
    sections: Mapping[str, Sequence[str]] | None = None,
    **changes: Mapping[str, Any],
) -> PollResult:
    """All managed hosts but those `gone`, some of their fields changed; `sections` is what lvs1 recalls."""
    lives = {
        host: live
        for host, live in healthy(LAB).items()
        if host in LAB.managed() and host not in gone
    }
    for host in lives:
        own = {"services": (SERVICE,)} if host in LAB.directors() else {}
        lives[host] = replace(lives[host], **{**own, **changes.get(host, {})})
    recalls = dict.fromkeys(lives, HostLog(NOW))
    if "lvs1" in lives:
        recalls["lvs1"] = recalled({"clock": [str(NOW)], **(sections or {})})
    errors = {host: f"{host}: no route to host" for host in gone}
    return PollResult(Snapshot(LAB, lives), recalls, errors, dict.fromkeys(lives, 0), taken)
