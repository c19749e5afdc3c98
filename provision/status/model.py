"""A site as it is right now, in the words of the screen that shows it. Plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from provision.live.state import Finding


@dataclass(frozen=True)
class VipStatus:
    """A virtual address and every host that holds it, with the hardware address it holds it under."""

    address: str
    holders: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DirectorStatus:
    """One VRRP instance of one director.

    `state` is Keepalived's word, or `unreachable`, `stopped` or `silent` (it runs and does not answer): nothing is ever
    carried over from an earlier look. `priority` is the effective one; `handover` what a planned hand-over adds to it.
    `seconds` is for how long it has had its state. `rate` is adverts a second, sent by a master and heard by a backup,
    None where there was no earlier look to count from. `sync` are its connection-sync daemons: master, backup.
    `drained` says who took it out of service and when, empty where it is in service.
    """

    host: str
    instance: str
    state: str
    priority: int = 0
    base_priority: int = 0
    handover: int = 0
    seconds: float = 0.0
    adverts_sent: int = 0
    adverts_received: int = 0
    errors: int = 0
    rate: float | None = None
    sync: tuple[str, ...] = ()
    drained: str = ""


@dataclass(frozen=True)
class ServerStatus:
    """A real server of a service in its holder's table.

    `weight` is the live one, None where it is not in the table. `state` is up, down (its check fails), drained (weight
    0 on purpose), missing (its check is well, or says nothing), sorry (the sorry server) or foreign (not in the
    inventory). `reason` is who drained it and when, or the last word of its checks, `seconds` how long ago they said
    it, None where they have not.
    """

    name: str
    address: str
    weight: int | None
    intended: int | None
    active: int = 0
    inactive: int = 0
    state: str = "up"
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class ServiceStatus:
    """A virtual service as the table of `director` has it: that of the holder; `present` is false where it has not."""

    selector: str
    scheduler: str
    director: str
    present: bool
    servers: tuple[ServerStatus, ...]


@dataclass(frozen=True)
class FrontendStatus:
    """A front end."""

    name: str
    vips: tuple[VipStatus, ...]
    directors: tuple[DirectorStatus, ...]
    services: tuple[ServiceStatus, ...]


@dataclass(frozen=True)
class Generation:
    """The last confirmed deploy of a host."""

    number: int
    who: str = ""
    when: str = ""
    digest: str = ""


@dataclass(frozen=True)
class HostStatus:
    """A managed host; `drift` is how many changes a deploy would make, None where that was not looked at.

    `problem` says why it could not be looked at, empty where it was.
    """

    host: str
    generation: Generation | None = None
    drift: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Status:
    """The whole site at `taken`, in seconds since the epoch by the controller's clock; `findings` are what is wrong."""

    inventory: str
    taken: float
    frontends: tuple[FrontendStatus, ...]
    hosts: tuple[HostStatus, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every host was looked at and nothing is wrong; drift alone breaks nothing."""
        return not self.findings and not any(host.problem for host in self.hosts)

    def json(self) -> dict[str, Any]:
        """The document of `status --json`."""
        document = dataclasses.asdict(self)
        for frontend in document["frontends"]:
            for vip in frontend["vips"]:
                vip["holders"] = [{"host": host, "mac": mac} for host, mac in vip["holders"]]
        return {"ok": self.ok, **document}
