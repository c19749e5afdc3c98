"""The interface of a drill: its fault, its bound, the sign that it has settled, its assertions."""

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
    """One assertion of a drill, or a remark: `ok` is the result, `text` the message."""

    ok: bool
    text: str


@dataclass(frozen=True)
class DrillOutcome:
    """The record of a drill. Moments and spans are on the client's clock, durations in seconds.

    `requests` began between the injection and the undoing, `returning` after the undoing.
    `outage_ms` is the longest run of bad requests, `affected_ms` the time from the first bad
    request to the last. `survivors` are connections from the fault until its undoing, `returned`
    those from the undoing to the end. The `holders` of each address, the `tables` of each director
    and the `answers` to ARP questions are those at the moment at which the fault had settled.
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
    """One fault. An object of this class is used for one run on one front end."""

    name: ClassVar[str]
    of_directors: ClassVar[bool] = True
    lab_only: ClassVar[str] = ""
    """Why the fault cannot be undone on real hosts; empty where it can."""
    seconds: ClassVar[float] = 4.0
    """Least seconds for which the fault stays in place: longer than a request can take (3 s)."""

    def skip(self, context: DrillContext) -> str:  # noqa: ARG002
        """Why the drill makes no sense on this front end; empty where it does."""
        return ""

    def bound(self, context: DrillContext) -> float | None:  # noqa: ARG002
        """Seconds that the fault may last for clients; None where only its undoing bounds it."""
        return None

    def settle_timeout(self, context: DrillContext) -> float:
        """Seconds within which the fault must have settled."""
        return (self.bound(context) or 0.0) + 5.0

    def prepare(self, context: DrillContext) -> None:  # noqa: B027 - most have nothing to prepare
        """Prepare the fault; the prober is already running. Raises HactlError."""

    def prepared(self, context: DrillContext) -> bool:  # noqa: ARG002
        """Whether the preparation has taken effect."""
        return True

    @abstractmethod
    def inject(self, context: DrillContext) -> float:
        """Inject the fault; returns the moment just before.

        Raises HactlError where the fault does not take effect.
        """

    @abstractmethod
    def settled(self, context: DrillContext) -> bool:
        """Whether the fault took effect and the front end has recovered as far as it can."""

    @abstractmethod
    def unsettled(self, context: DrillContext) -> str:
        """The message for a fault that has not settled in time."""

    def questions(self, context: DrillContext) -> Sequence[Question]:  # noqa: ARG002
        """The ARP and neighbour questions that the client asks once the fault has settled."""
        return ()

    def undo(self, context: DrillContext) -> None:
        """Undo the fault; also safe twice, or before the injection. Raises HactlError."""
        context.undo_faults()

    def remaining_fault(self, context: DrillContext) -> str:
        """The message about a fault whose undoing is interrupted."""
        guards = [
            f"{fault.spec.host} undoes the fault by itself within {fault.limit} s"
            for fault in context.faults
        ]
        return "; ".join(guards) or "no fault is left"

    @abstractmethod
    def judge(self, context: DrillContext, outcome: DrillOutcome) -> Iterator[DrillVerdict]:
        """The drill's assertions, beside those that the runner makes for every drill."""
