"""One drill from its prober to its result: noise floor, fault, observation, undoing, recovery, verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from provision.core.errors import HactlError
from provision.desired.timing import max_return_time
from provision.drills.context import DrillContext
from provision.drills.drill import Drill
from provision.drills.environment import Environment
from provision.drills.evaluate import CADENCE, DrillTimes, assess
from provision.drills.result import DrillResult
from provision.prober.session import Prober
from provision.prober.wire import ask

CONNECTIONS = 200
"""Long-lived connections beside the requests."""

FLOOR_SECONDS = 1.2
"""Seconds for which the noise floor is measured before each fault."""

SETTLED_SECONDS = 1.5
"""Seconds for which a fault stays once it has settled: clients must be seen to be served then."""

AFTERWARDS = 1.0
"""Seconds for which clients are watched after everything is back."""


def run_drill(site: Environment, drill: Drill, stage: DrillContext) -> DrillResult:
    """Run a drill on its stage and undo it. Raises KeyboardInterrupt with the fault undone, or said to be left."""
    services = tuple(
        service for service in site.services if service.frontend == stage.frontend.name
    )
    blank = DrillResult(drill.name, stage.frontend.name, ok=True)
    if why := _skipped(site, drill, stage, bool(services)):
        return replace(blank, skipped=why)
    began = time.monotonic()
    course = DrillTimes()
    try:
        with Prober.start(
            site.client(), services, cadence=CADENCE, connections=CONNECTIONS
        ) as prober:
            stage.prober = prober
            with always_undo(site, drill, stage):
                _go_through(site, drill, stage, course)
            result = assess(drill, stage, course, prober.stop(), site.left_behind())
    except HactlError as error:
        messages = (error.line(), *stage.notes, *_afterwards(site, stage))
        return replace(blank, ok=False, messages=messages, seconds=time.monotonic() - began)
    return replace(result, seconds=time.monotonic() - began)


def _skipped(site: Environment, drill: Drill, stage: DrillContext, services: bool) -> str:
    if drill.lab_only and not site.lab:
        return f"in a lab only: {drill.lab_only}"
    return (
        drill.skip(stage)
        if services
        else "it has no TCP service on a VIP: clients' view cannot be measured"
    )


def _afterwards(site: Environment, stage: DrillContext) -> tuple[str, ...]:
    """After a drill that broke off: wait until everything is back, and say what is not as it was."""
    deadline = time.monotonic() + _return_patience(stage)
    try:
        site.watch.restart()
        while not stage.recovered() and time.monotonic() < deadline:
            time.sleep(0.1)
        return site.left_behind()
    except HactlError as error:
        return (error.line(),)


@contextmanager
def always_undo(site: Environment, drill: Drill, stage: DrillContext) -> Iterator[None]:
    """However the drill ends, its fault is undone; a second Ctrl-C leaves it to the host, and says so."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            site.events.note(f"{drill.name}: interrupted; undoing the fault first")
        left = drill.left(stage)
        try:
            drill.undo(stage)
        except KeyboardInterrupt:
            site.events.note(f"{drill.name}: interrupted again; {left}")
            raise
        except HactlError as second:
            site.events.note(str(second))
        raise


def _go_through(site: Environment, drill: Drill, stage: DrillContext, course: DrillTimes) -> None:
    def tell(step: str) -> None:
        site.events.host(drill.name, step)

    prober = stage.prober
    assert prober is not None
    _connected(site, stage, prober)
    drill.prepare(stage)
    if not _wait(site, stage, lambda: drill.prepared(stage), drill.patience(stage)):
        raise HactlError(f"the preparation did not have its effect; {stage.held()}")
    tell("measuring the noise floor")
    course.quiet = time.monotonic()
    _wait(site, stage, lambda: False, FLOOR_SECONDS)
    tell("breaking")
    course.injected = drill.inject(stage)
    stage.mark("injected", course.injected)
    rest = max(0.1, course.injected + drill.patience(stage) - time.monotonic())
    if _wait(site, stage, lambda: drill.settled(stage), rest):
        course.settled = time.monotonic()
    _note_settled(stage, drill, course)
    stays = max(course.injected + drill.seconds, (course.settled or 0.0) + SETTLED_SECONDS)
    _wait(site, stage, lambda: False, stays - time.monotonic())
    tell("undoing")
    course.undone = time.monotonic()
    stage.mark("undone", course.undone)
    drill.undo(stage)
    tell("waiting for the return")
    course.recovered = _wait(site, stage, stage.recovered, _return_patience(stage))
    _wait(site, stage, lambda: False, AFTERWARDS)


def _connected(site: Environment, stage: DrillContext, prober: Prober) -> None:
    if not _wait(site, stage, lambda: prober.established >= CONNECTIONS, 15):
        raise HactlError(
            f"only {prober.established} of {CONNECTIONS} long-lived connections could be opened",
            "does the front end serve, and do the real servers take so many?",
        )


def _note_settled(stage: DrillContext, drill: Drill, course: DrillTimes) -> None:
    course.holders = {vip: stage.watch.holders(vip) for vip in stage.vips}
    course.tables = {host: stage.watch.now(host).table for host in stage.directors}
    if questions := drill.questions(stage):
        course.answers = ask(stage.client(), questions)


def _return_patience(stage: DrillContext) -> float:
    """Seconds after which everything must be as before: checks, a takeover, `preempt_delay`, and slowness."""
    delays = [one.vrrp.preempt_delay or 0 for one in stage.topology.frontends]
    slowest = max(one.crash_bound for one in stage.topology.frontends)
    return max_return_time(stage.frontend) + slowest + max(delays) + 12


def _wait(
    site: Environment, stage: DrillContext, condition: Callable[[], bool], seconds: float
) -> bool:
    """Whether the condition comes true in time. Raises HostError when the prober or a watched director is lost."""
    deadline = time.monotonic() + seconds
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, 0.05))
        assert stage.prober is not None
        stage.prober.check()
        site.watch.check()
    return True
