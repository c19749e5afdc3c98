"""The present state of a site, as the status screen shows it. Plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from provision.core.coverage import Coverage
from provision.hosts.live.state import LiveFinding


@dataclass(frozen=True)
class VipStatus:
    """A VIP and the inspected hosts that hold it, each with its hardware address for the VIP.

    `unseen` are the directors of its front end that were not inspected. Each may hold the VIP, too.
    """

    address: str
    holders: tuple[tuple[str, str], ...]
    unseen: tuple[str, ...] = ()

    @property
    def held(self) -> str:
        """The number of holders, as far as known: one, several, nobody or unknown."""
        if len(self.holders) > 1:
            return "several"
        return "one" if self.holders else "unknown" if self.unseen else "nobody"


UNREACHABLE = "unreachable"
"""The state of a director that was not inspected."""

STATES = ("MASTER", "BACKUP", "FAULT", "INIT", "STOP")
"""The states that Keepalived itself reports, together with its figures."""

_KEEPALIVED_FIELDS = (
    "priority",
    "base_priority",
    "seconds",
    "adverts_sent",
    "adverts_received",
    "errors",
)
_HOST_FIELDS = ("handover", "sync", "drained")


@dataclass(frozen=True)
class DirectorStatus:
    """A VRRP instance of a director.

    - `state` is Keepalived's, or `unreachable`, `stopped`, `silent` (Keepalived runs and does not
      answer) or `absent` (it answers without this instance). It never comes from an earlier poll.
    - `priority` is the effective priority; `handover` is what a planned hand-over adds to it.
    - `seconds` is the time since the last change of state.
    - `rate` is the adverts per second that a master sent or a backup received since the earlier
      poll; None without an earlier poll.
    - `sync` are its connection-sync daemons: master, backup.
    - `drained` says who drained it and when; it is empty if the director is in service.
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

    - `weight` is the live weight; None if the server is not in the table. `intended` is the weight
      in the inventory; None if the server is not in the inventory.
    - `state` is up, down (its check fails), drained (weight 0 on purpose), missing (not in the
      table, and no check explains it), sorry (the sorry server) or foreign (not in the inventory).
    - `reason` says who drained it, or is the last result of its checks. `seconds` is the age of
      that; None if there is none.
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
    """A virtual service in the table of its holder, `director`.

    `present` is false if the table lacks it. If no director of its front end was inspected,
    `director` is empty and `present` None.
    """

    selector: str
    scheduler: str
    director: str
    present: bool | None
    servers: tuple[ServerStatus, ...]


@dataclass(frozen=True)
class FrontendStatus:
    """A front end."""

    name: str
    vips: tuple[VipStatus, ...]
    directors: tuple[DirectorStatus, ...]
    services: tuple[ServiceStatus, ...]


@dataclass(frozen=True)
class GenerationStatus:
    """The last confirmed deploy of a host."""

    number: int
    who: str = ""
    when: str = ""
    digest: str = ""


@dataclass(frozen=True)
class HostStatus:
    """A managed host.

    `problem` says why it could not be inspected; it is empty for an inspected host. `generation` is
    None if the host was never deployed, or if there is a problem. `drift` is the number of changes
    that a deploy would make; None if the host was not compared with the inventory.
    """

    host: str
    generation: GenerationStatus | None = None
    drift: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Status:
    """The whole site.

    `taken` is the time by the controller's clock, in seconds since the epoch. `findings` are the
    problems.
    """

    inventory: str
    taken: float
    frontends: tuple[FrontendStatus, ...]
    hosts: tuple[HostStatus, ...]
    findings: tuple[LiveFinding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every host was inspected without a finding. Drift alone is not a problem."""
        return not self.findings and not any(host.problem for host in self.hosts)

    @property
    def coverage(self) -> Coverage:
        """Which managed hosts were inspected."""
        problems = {host.host: host.problem for host in self.hosts if host.problem}
        return Coverage(tuple(host.host for host in self.hosts), problems)

    @property
    def verdict(self) -> str:
        """The verdict: well, wrong (there are findings) or unknown.

        It is unknown if there are no findings but not all hosts were inspected.
        """
        return "wrong" if self.findings else "unknown" if self.coverage.unseen else "well"

    def json(self) -> dict[str, Any]:
        """Return the document of `status --json`."""
        document = dataclasses.asdict(self)
        document["frontends"] = [_frontend_json(frontend) for frontend in self.frontends]
        return {"ok": self.ok, "verdict": self.verdict, **document, **self.coverage.json()}


def _frontend_json(frontend: FrontendStatus) -> dict[str, Any]:
    return {
        **dataclasses.asdict(frontend),
        "vips": [_vip_json(vip) for vip in frontend.vips],
        "directors": [_director_json(director) for director in frontend.directors],
    }


def _vip_json(vip: VipStatus) -> dict[str, Any]:
    holders = [{"host": host, "mac": mac} for host, mac in vip.holders]
    return {**vars(vip), "holders": holders, "held": vip.held}


def _director_json(director: DirectorStatus) -> dict[str, Any]:
    """Return a director's entry. Unknown values are null: all of a director that was not seen."""
    unknown: tuple[str, ...] = () if director.state in STATES else _KEEPALIVED_FIELDS
    if director.state == UNREACHABLE:
        unknown += _HOST_FIELDS
    return dataclasses.asdict(director) | dict.fromkeys(unknown)
