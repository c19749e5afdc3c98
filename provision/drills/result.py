"""The result of a drill: its figures, and its timeline for the report. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provision.prober.record import Advert, ArpClaim, ProbeService, Request


@dataclass(frozen=True)
class Noise:
    """The noise floor: the prober's figures in ms without a fault. Smaller figures mean nothing."""

    requests: int
    failed: int
    median_ms: float
    p99_ms: float
    slowest_ms: float


@dataclass(frozen=True)
class Survival:
    """Long-lived connections: open when the fault came, and still open when it was undone."""

    established: int
    survived: int


@dataclass(frozen=True)
class TimelineEvent:
    """An action or observation of the drill: `injected`, `split brain: lvs1 and lvs2 advertise`."""

    at: float
    text: str


@dataclass(frozen=True)
class Span:
    """The time for which a director held a VIP, or a real server had a weight.

    With `kind` `holder`, `subject` is the director and `value` the VIP. With `health`, `subject` is
    the real server and `value` its weight in the table of the director `by`; the weight is empty
    where the real server is not in the table.
    """

    kind: str
    subject: str
    value: str
    start: float
    end: float
    by: str = ""


@dataclass(frozen=True)
class Timeline:
    """A drill on one axis: seconds from the injection, on the client's monotonic clock.

    `sources` maps the source address of an advert to the director's name.
    """

    services: tuple[ProbeService, ...] = ()
    requests: tuple[Request, ...] = ()
    adverts: tuple[Advert, ...] = ()
    claims: tuple[ArpClaim, ...] = ()
    spans: tuple[Span, ...] = ()
    marks: tuple[TimelineEvent, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DrillResult:
    """One drill on one front end.

    `ok` means: the fault took effect, all assertions of the drill hold, and nothing was left
    behind. A skipped drill is ok, and `skipped` is the reason. `outage_ms` is the longest run of
    bad requests for a fault of the directors. For a fault of real servers it is the time from the
    first bad request to the last. `bound_ms` follows from the deployed configuration. `holders` are
    the directors that held the VIP when the fault had settled, before it was undone.
    """

    name: str
    frontend: str
    ok: bool
    skipped: str | None = None
    outage_ms: float | None = None
    bound_ms: float | None = None
    requests: int = 0
    failed_requests: int = 0
    slowest_ms: float | None = None
    connections: Survival = Survival(0, 0)
    holders: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    noise: Noise | None = None
    seconds: float = 0.0
    timeline: Timeline | None = None

    def json(self) -> dict[str, Any]:
        """The drill's entry in `failover-test --json`."""
        noise = self.noise
        return {
            "name": self.name,
            "frontend": self.frontend,
            "ok": self.ok,
            "skipped": self.skipped,
            "outage_ms": _ms(self.outage_ms),
            "bound_ms": _ms(self.bound_ms),
            "requests": self.requests,
            "failed_requests": self.failed_requests,
            "slowest_ms": _ms(self.slowest_ms),
            "connections": {
                "established": self.connections.established,
                "survived": self.connections.survived,
            },
            "holders": list(self.holders),
            "messages": list(self.messages),
            "noise": noise
            and {
                "median_ms": _ms(noise.median_ms),
                "p99_ms": _ms(noise.p99_ms),
                "slowest_ms": _ms(noise.slowest_ms),
            },
            "seconds": round(self.seconds, 1),
        }


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


@dataclass(frozen=True)
class Drills:
    """A run of `failover-test`: its inventory and hosts, and the drills in the order of the run.

    `versions` maps a host to its programs and their versions. `configurations` maps a director to
    its keepalived.conf, secrets masked. `topology` maps a host to its role (`director`,
    `real server` or `client`) and its address.
    """

    inventory: str
    digest: str
    started: str
    drills: tuple[DrillResult, ...] = ()
    topology: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    vips: Sequence[str] = ()
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    configurations: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every drill that was run passed, and at least one was run."""
        return all(drill.ok for drill in self.drills) and any(
            drill.skipped is None for drill in self.drills
        )

    def json(self) -> dict[str, Any]:
        """The document of `failover-test --json`."""
        return {"ok": self.ok, "drills": [drill.json() for drill in self.drills]}
