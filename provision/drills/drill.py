"""What every drill is: a fault, how it is known to have settled, its bound, and what must be true of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from provision.drills.context import DrillContext
from provision.drills.result import Span
from provision.drills.table import Table
from provision.prober.measure import Baseline, ConnectionStats
from provision.prober.record import Recording, Request
from provision.prober.wire import Answer, Question


@dataclass(frozen=True)
class DrillVerdict:
    """One thing that a drill asserts, or has to say: whether it is as it must be, in words."""

    ok: bool
    text: str


@dataclass(frozen=True)
class DrillOutcome:
    """What was recorded of a drill. Moments and spans are on the client's clock, durations in seconds.

    `requests` are those begun between the injection and the undoing, `returning` those after it. `outage_ms` is the
    longest run of bad requests, `affected_ms` the time from the first bad one to the last. `survivors` were open when
    the fault came and lived until it was undone, `returned` were open then and lived to the end. `holders` of each
    address, `tables` of each director and `answers` of the wire are of the moment at which the fault had settled.
    """

    injected: float
    undone: float
    settled_after: float
    recording: Recording
    requests: tuple[Request, ...]
    returning: tuple[Request, ...]
    floor: Baseline
    cadence: float
    outage_ms: float
    affected_ms: float
    failed: int
    slowest_ms: float | None
    survivors: ConnectionStats
    returned: ConnectionStats
    return_outage_ms: float
    holders: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, Table]
    spans: tuple[Span, ...] = ()
    answers: Sequence[Answer] = field(default_factory=tuple)


class Drill(ABC):
    """One fault. An object of it is used for one run on one front end."""

    name: ClassVar[str]
    of_directors: ClassVar[bool] = True
    lab_only: ClassVar[str] = ""
    """Why it cannot be undone on hosts of one's own; empty where it can."""
    seconds: ClassVar[float] = 4.0
    """How long the fault stays in place at least: a request that began with it has ended by then (3 s)."""

    def skip(self, stage: DrillContext) -> str:  # noqa: ARG002
        """Why it makes no sense on this front end; empty where it does."""
        return ""

    def bound(self, stage: DrillContext) -> float | None:  # noqa: ARG002
        """Seconds that the fault may last for clients; None where nothing bounds it but its undoing."""
        return None

    def patience(self, stage: DrillContext) -> float:
        """Seconds within which the fault must have settled."""
        return (self.bound(stage) or 0.0) + 5.0

    def prepare(self, stage: DrillContext) -> None:  # noqa: B027 - most have nothing to prepare
        """What must be done before the fault, with the prober at work already. Raises HactlError."""

    def prepared(self, stage: DrillContext) -> bool:  # noqa: ARG002
        """Whether the preparation has had its effect."""
        return True

    @abstractmethod
    def inject(self, stage: DrillContext) -> float:
        """Break it; returns the moment just before. Raises HactlError where the fault does not take hold."""

    @abstractmethod
    def settled(self, stage: DrillContext) -> bool:
        """Whether the fault has had its effect and the front end has got over it as far as it can."""

    @abstractmethod
    def unsettled(self, stage: DrillContext) -> str:
        """What to say when it has not settled in time."""

    def questions(self, stage: DrillContext) -> Sequence[Question]:  # noqa: ARG002
        """What to ask the wire once it has settled."""
        return ()

    def undo(self, stage: DrillContext) -> None:
        """Take the fault away. Raises HactlError. Doing it twice, or before the injection, does no harm."""
        stage.heal()

    def left(self, stage: DrillContext) -> str:
        """What becomes of the fault where its undoing is interrupted."""
        guards = [
            f"{fault.spec.host} undoes it by itself within {fault.limit} s"
            for fault in stage.faults
        ]
        return "; ".join(guards) or "nothing is broken any more"

    @abstractmethod
    def judge(self, stage: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """What must be so, beyond what the runner asserts of every drill."""
