"""A site as it is right now, in the words of the screen that shows it. Plain values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from provision.core.coverage import Coverage
from provision.hosts.live.state import LiveFinding


@dataclass(frozen=True)
class VipStatus:
    """A virtual address and every host that was seen to hold it, with the hardware address it holds it under.

    `unseen` are the directors of its front end that were not seen: any of them may hold it, too.
    """

    address: str
    holders: tuple[tuple[str, str], ...]
    unseen: tuple[str, ...] = ()

    @property
    def held(self) -> str:
        """By how many hosts it is held, as far as seen: one, several, nobody or unknown."""
        if len(self.holders) > 1:
            return "several"
        return "one" if self.holders else "unknown" if self.unseen else "nobody"


UNREACHABLE = "unreachable"
"""The state of a director that was not seen."""

STATES = ("MASTER", "BACKUP", "FAULT", "INIT", "STOP")
"""The states that Keepalived itself tells, and its figures with them."""

_FIGURES = ("priority", "base_priority", "seconds", "adverts_sent", "adverts_received", "errors")
_OF_HOST = ("handover", "sync", "drained")


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
    """A virtual service as the table of `director` has it: that of the holder; `present` is false where it has not.

    Where no director of its front end was seen, `director` is empty and `present` None.
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
    """A managed host; `drift` is how many changes a deploy would make, None where that was not looked at.

    `problem` says why it could not be looked at, empty where it was; `generation` is unknown then, else None where
    nothing was ever confirmed there.
    """

    host: str
    generation: GenerationStatus | None = None
    drift: int | None = None
    problem: str = ""


@dataclass(frozen=True)
class Status:
    """The whole site at `taken`, in seconds since the epoch by the controller's clock; `findings` are what is wrong."""

    inventory: str
    taken: float
    frontends: tuple[FrontendStatus, ...]
    hosts: tuple[HostStatus, ...]
    findings: tuple[LiveFinding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether every host was looked at and nothing is wrong; drift alone breaks nothing."""
        return not self.findings and not any(host.problem for host in self.hosts)

    @property
    def coverage(self) -> Coverage:
        """Which managed hosts could be looked at."""
        problems = {one.host: one.problem for one in self.hosts if one.problem}
        return Coverage(tuple(one.host for one in self.hosts), problems)

    @property
    def verdict(self) -> str:
        """Whether the site is well or wrong; unknown where nothing is wrong as far as was seen, which is not all."""
        return "wrong" if self.findings else "unknown" if self.coverage.unseen else "well"

    def json(self) -> dict[str, Any]:
        """The document of `status --json`."""
        document = dataclasses.asdict(self)
        document["frontends"] = [_frontend_json(frontend) for frontend in self.frontends]
        return {"ok": self.ok, "verdict": self.verdict, **document, **self.coverage.json()}


def _frontend_json(frontend: FrontendStatus) -> dict[str, Any]:
    vips = [{**vars(vip), "holders": _holders_json(vip), "held": vip.held} for vip in frontend.vips]
    return {
        **dataclasses.asdict(frontend),
        "vips": vips,
        "directors": [*map(_director_json, frontend.directors)],
    }


def _holders_json(vip: VipStatus) -> list[dict[str, str]]:
    return [{"host": host, "mac": mac} for host, mac in vip.holders]


def _director_json(director: DirectorStatus) -> dict[str, Any]:
    """A director's entry: null is what its Keepalived did not tell, and all of a director that was not seen."""
    figures = () if director.state in STATES else _FIGURES
    about = _OF_HOST if director.state == UNREACHABLE else ()
    return dataclasses.asdict(director) | dict.fromkeys((*figures, *about))
