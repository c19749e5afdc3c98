"""What a drill's course and records amount to: figures, verdict, messages, and everything on one time axis."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from provision.drills.assertions import expect, verdict_text
from provision.drills.context import DrillContext
from provision.drills.director_state import spans
from provision.drills.drill import Drill, DrillOutcome, DrillVerdict
from provision.drills.result import DrillResult, Noise, Survival, Timeline, TimelineEvent
from provision.drills.table import Table
from provision.drills.vrrp_blocked import named, rivals, sources
from provision.prober import measure
from provision.prober.record import Recording
from provision.prober.wire import Answer

CADENCE = 0.005
"""Seconds from one request of a service to the next."""

LATE_START_THRESHOLD = 0.05
"""Seconds by which the prober may begin a request too late before that is worth a message."""

CLOCK_JUMP_THRESHOLD = 0.1
"""Seconds by which the client's wall clock may move against its monotonic one before that is worth a message."""


@dataclass
class DrillTimes:
    """The moments of a drill on the controller's clock, and what was true when the fault had settled.

    `settled` is None where it never did; `patience` is how long it was given.
    """

    patience: float = 0.0
    quiet: float = 0.0
    injected: float = 0.0
    settled: float | None = None
    undone: float = 0.0
    recovered: bool = False
    answers: tuple[Answer, ...] = ()
    holders: dict[str, tuple[str, ...]] | None = None
    tables: dict[str, Table] | None = None


def outcome_of(stage: DrillContext, course: DrillTimes, recording: Recording) -> DrillOutcome:
    """The figures of a drill, on the client's clock."""
    prober = stage.prober
    assert prober is not None
    quiet, injected, undone = (
        prober.to_client(at) for at in (course.quiet, course.injected, course.undone)
    )
    during = tuple(request for request in recording.requests if injected <= request.start < undone)
    returning = tuple(request for request in recording.requests if request.start >= undone)
    floor = measure.noise(
        request for request in recording.requests if quiet <= request.start < injected - 0.05
    )
    slow = measure.slow_after(floor)
    sights = stage.watch.sights(course.quiet)
    return DrillOutcome(
        injected=injected,
        undone=undone,
        settled_after=(course.settled or course.undone) - course.injected,
        recording=recording,
        requests=during,
        returning=returning,
        floor=floor,
        cadence=CADENCE,
        outage_ms=measure.outage(during, slow),
        affected_ms=measure.affected(during, slow),
        failed=measure.failed(during),
        slowest_ms=measure.slowest(during),
        survivors=measure.survivors(recording.connections, injected, undone),
        returned=measure.survivors(recording.connections, undone),
        return_outage_ms=measure.outage(returning, slow),
        holders=course.holders or {},
        tables=course.tables or {},
        spans=spans(sights, stage.frontend, time.monotonic(), prober.to_client),
        answers=course.answers,
    )


def assess(
    drill: Drill,
    stage: DrillContext,
    course: DrillTimes,
    recording: Recording,
    left_behind: Sequence[str],
) -> DrillResult:
    """The result of a drill that ran to its end; `left_behind` says what is not as it was before it."""
    outcome = outcome_of(stage, course, recording)
    ok, messages = verdict_text(
        chain(_general(stage, drill, course, left_behind), _own(drill, stage, course, outcome))
    )
    prober = stage.prober
    assert prober is not None
    bound, floor = drill.bound(stage), outcome.floor
    return DrillResult(
        name=drill.name,
        frontend=stage.frontend.name,
        ok=ok,
        outage_ms=outcome.outage_ms if drill.of_directors else outcome.affected_ms,
        bound_ms=None if bound is None else bound * 1000,
        requests=len(outcome.requests),
        failed_requests=outcome.failed,
        slowest_ms=outcome.slowest_ms,
        connections=Survival(*outcome.survivors),
        holders=_holders(stage, outcome),
        messages=tuple(
            dict.fromkeys((*messages, *_asides(recording), *prober.messages, *stage.notes))
        ),
        noise=Noise(*floor),
        timeline=timeline(stage, outcome),
    )


def _holders(stage: DrillContext, outcome: DrillOutcome) -> tuple[str, ...]:
    holding = {host for hosts in outcome.holders.values() for host in hosts}
    return tuple(host for host in stage.directors if host in holding)


def _general(
    stage: DrillContext, drill: Drill, course: DrillTimes, left_behind: Sequence[str]
) -> Iterator[DrillVerdict]:
    """What is asserted of every drill: it settled, everything came back, nothing stayed."""
    yield expect(course.settled is not None, drill.unsettled(stage))
    yield expect(course.recovered, f"not everything came back: {stage.held()}; {_tables(stage)}")
    for text in left_behind:
        yield expect(False, text)


def _own(
    drill: Drill, stage: DrillContext, course: DrillTimes, outcome: DrillOutcome
) -> Iterator[DrillVerdict]:
    """The drill's own assertions; of one that never settled they would say nothing."""
    if course.settled is not None:
        yield from drill.judge(stage, outcome)


def _tables(stage: DrillContext) -> str:
    broken = [host for host in stage.directors if not stage.table_intended(host)]
    return (
        f"the IPVS table is not whole on {', '.join(broken)}"
        if broken
        else "the IPVS tables are whole"
    )


def _asides(recording: Recording) -> Iterator[str]:
    """What the operator must know about the figures themselves."""
    if abs(recording.wall_jump) > CLOCK_JUMP_THRESHOLD:
        yield (
            f"the client's wall clock moved by {recording.wall_jump:+.1f} s meanwhile; "
            "the figures are of its monotonic clock and hold"
        )
    if recording.late > LATE_START_THRESHOLD:
        yield f"the prober itself was up to {recording.late * 1000:.0f} ms late: the client had no time for it"


def timeline(stage: DrillContext, outcome: DrillOutcome) -> Timeline:
    """Everything on one axis, in seconds from the injection."""
    zero, recording, prober = outcome.injected, outcome.recording, stage.prober
    assert prober is not None
    marks = [TimelineEvent(prober.to_client(at) - zero, text) for at, text in stage.marks]
    marks += [
        TimelineEvent(found.known - zero, named(stage, found))
        for found in rivals(stage, recording.adverts)
    ]
    return Timeline(
        services=recording.services,
        requests=tuple(
            replace(request, start=request.start - zero) for request in recording.requests
        ),
        adverts=tuple(replace(advert, at=advert.at - zero) for advert in recording.adverts),
        claims=tuple(replace(claim, at=claim.at - zero) for claim in recording.claims),
        spans=tuple(
            replace(span, start=span.start - zero, end=span.end - zero) for span in outcome.spans
        ),
        marks=tuple(sorted(marks, key=lambda mark: mark.at)),
        sources=sources(stage),
    )
