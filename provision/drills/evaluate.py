"""The evaluation of a drill's records: figures, verdict, messages, and the timeline."""

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
from provision.drills.vrrp_blocked import directors_by_source, split_brain_text, split_brains
from provision.prober import measure
from provision.prober.record import Recording
from provision.prober.wire import Answer

CADENCE = 0.005
"""Seconds from one request of a service to the next."""

LATE_START_THRESHOLD = 0.05
"""Seconds of delay in the prober's own requests above which a message says so."""

CLOCK_JUMP_THRESHOLD = 0.1
"""Seconds that the client's wall clock may move against its monotonic clock without a message."""


@dataclass
class DrillTimes:
    """The moments of a drill on the controller's clock, and the state once the fault had settled.

    `quiet` is the start of the noise floor's measurement. `settled` is None for a fault that never
    settled. `recovered` is whether everything came back after the undoing.
    """

    quiet: float = 0.0
    injected: float = 0.0
    settled: float | None = None
    undone: float = 0.0
    recovered: bool = False
    answers: tuple[Answer, ...] = ()
    holders: dict[str, tuple[str, ...]] | None = None
    tables: dict[str, Table] | None = None


def outcome_of(context: DrillContext, times: DrillTimes, recording: Recording) -> DrillOutcome:
    """The figures of a drill, on the client's clock."""
    prober = context.prober
    assert prober is not None
    quiet, injected, undone = (
        prober.to_client(at) for at in (times.quiet, times.injected, times.undone)
    )
    during = tuple(request for request in recording.requests if injected <= request.start < undone)
    returning = tuple(request for request in recording.requests if request.start >= undone)
    floor = measure.noise(
        request for request in recording.requests if quiet <= request.start < injected - 0.05
    )
    slow = measure.slow_after(floor)
    states = context.watch.states(times.quiet)
    return DrillOutcome(
        injected=injected,
        undone=undone,
        settled_after=(times.settled or times.undone) - times.injected,
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
        holders=times.holders or {},
        tables=times.tables or {},
        spans=spans(states, context.frontend, time.monotonic(), prober.to_client),
        answers=times.answers,
    )


def assess(
    drill: Drill,
    context: DrillContext,
    times: DrillTimes,
    recording: Recording,
    left_behind: Sequence[str],
) -> DrillResult:
    """The result of a drill that ran to its end.

    `left_behind` are messages about what differs from the hosts' state before the drill.
    """
    outcome = outcome_of(context, times, recording)
    ok, messages = verdict_text(
        chain(
            _common_verdicts(context, drill, times, left_behind),
            _drill_verdicts(drill, context, times, outcome),
        )
    )
    prober = context.prober
    assert prober is not None
    bound, floor = drill.bound(context), outcome.floor
    return DrillResult(
        name=drill.name,
        frontend=context.frontend.name,
        ok=ok,
        outage_ms=outcome.outage_ms if drill.of_directors else outcome.affected_ms,
        bound_ms=None if bound is None else bound * 1000,
        requests=len(outcome.requests),
        failed_requests=outcome.failed,
        slowest_ms=outcome.slowest_ms,
        connections=Survival(*outcome.survivors),
        holders=_holders(context, outcome),
        messages=tuple(
            dict.fromkeys((*messages, *_clock_notes(recording), *prober.messages, *context.notes))
        ),
        noise=Noise(*floor),
        timeline=timeline(context, outcome),
    )


def _holders(context: DrillContext, outcome: DrillOutcome) -> tuple[str, ...]:
    holding = {host for hosts in outcome.holders.values() for host in hosts}
    return tuple(host for host in context.directors if host in holding)


def _common_verdicts(
    context: DrillContext, drill: Drill, times: DrillTimes, left_behind: Sequence[str]
) -> Iterator[DrillVerdict]:
    """The assertions about every drill: it settled, everything came back, nothing was left."""
    yield expect(times.settled is not None, drill.unsettled(context))
    yield expect(
        times.recovered,
        f"not everything came back: {context.holders_text()}; {_tables_text(context)}",
    )
    for text in left_behind:
        yield expect(False, text)


def _drill_verdicts(
    drill: Drill, context: DrillContext, times: DrillTimes, outcome: DrillOutcome
) -> Iterator[DrillVerdict]:
    """The assertions of this drill; they mean nothing for a fault that never settled."""
    if times.settled is not None:
        yield from drill.judge(context, outcome)


def _tables_text(context: DrillContext) -> str:
    broken = [host for host in context.directors if not context.table_intended(host)]
    return (
        f"the IPVS table is incomplete on {', '.join(broken)}"
        if broken
        else "the IPVS tables are complete"
    )


def _clock_notes(recording: Recording) -> Iterator[str]:
    """Notes about the client's clock and load, which may affect the figures."""
    if abs(recording.wall_jump) > CLOCK_JUMP_THRESHOLD:
        yield (
            f"the client's wall clock moved by {recording.wall_jump:+.1f} s during the drill; "
            "the figures come from its monotonic clock and are correct"
        )
    if recording.late > LATE_START_THRESHOLD:
        yield (
            f"the prober was up to {recording.late * 1000:.0f} ms late: the client is overloaded"
        )


def timeline(context: DrillContext, outcome: DrillOutcome) -> Timeline:
    """The timeline of a drill, in seconds from the injection."""
    zero, recording, prober = outcome.injected, outcome.recording, context.prober
    assert prober is not None
    marks = [TimelineEvent(prober.to_client(at) - zero, text) for at, text in context.marks]
    marks += [
        TimelineEvent(split_brain.known - zero, split_brain_text(context, split_brain))
        for split_brain in split_brains(context, recording.adverts)
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
        sources=directors_by_source(context),
    )
