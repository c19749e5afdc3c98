"""The run of a drill: noise floor, fault, observation, undoing, recovery, verdict."""

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
"""Seconds for which a fault stays once it has settled, so that clients are seen to be served."""

AFTERWARDS_SECONDS = 1.0
"""Seconds for which clients are watched after everything is back."""

CONNECT_TIMEOUT = 15
"""Seconds within which the long-lived connections must be open."""


def run_drill(environment: Environment, drill: Drill, context: DrillContext) -> DrillResult:
    """Run a drill and undo its fault.

    A KeyboardInterrupt is raised again once the fault is undone; a second one leaves the undoing to
    the host, and a note says so.
    """
    services = tuple(
        service for service in environment.services if service.frontend == context.frontend.name
    )
    blank = DrillResult(drill.name, context.frontend.name, ok=True)
    if reason := _skip_reason(environment, drill, context, bool(services)):
        return replace(blank, skipped=reason)
    began = time.monotonic()
    times = DrillTimes()
    try:
        with Prober.start(
            environment.client(), services, cadence=CADENCE, connections=CONNECTIONS
        ) as prober:
            context.prober = prober
            with always_undo(environment, drill, context):
                _perform(environment, drill, context, times)
            result = assess(drill, context, times, prober.stop(), environment.left_behind())
    except HactlError as error:
        messages = (error.line(), *context.notes, *_await_recovery(environment, context))
        return replace(blank, ok=False, messages=messages, seconds=time.monotonic() - began)
    return replace(result, seconds=time.monotonic() - began)


def _skip_reason(
    environment: Environment, drill: Drill, context: DrillContext, has_services: bool
) -> str:
    if drill.lab_only and not environment.lab:
        return f"in a lab only: {drill.lab_only}"
    return (
        drill.skip(context)
        if has_services
        else "it has no TCP service on a VIP: clients' requests cannot be measured"
    )


def _await_recovery(environment: Environment, context: DrillContext) -> tuple[str, ...]:
    """After a failed drill: wait until everything is back; returns messages about differences."""
    deadline = time.monotonic() + _return_timeout(context)
    try:
        environment.watch.restart()
        while not context.recovered() and time.monotonic() < deadline:
            time.sleep(0.1)
        return environment.left_behind()
    except HactlError as error:
        return (error.line(),)


@contextmanager
def always_undo(environment: Environment, drill: Drill, context: DrillContext) -> Iterator[None]:
    """Undo the drill's fault when the block ends with an error or Ctrl-C.

    A second Ctrl-C leaves the undoing to the host, and a note says so.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            environment.events.note(f"{drill.name}: interrupted; undoing the fault first")
        remaining_fault = drill.remaining_fault(context)
        try:
            drill.undo(context)
        except KeyboardInterrupt:
            environment.events.note(f"{drill.name}: interrupted again; {remaining_fault}")
            raise
        except HactlError as undo_error:
            environment.events.note(str(undo_error))
        raise


def _perform(
    environment: Environment, drill: Drill, context: DrillContext, times: DrillTimes
) -> None:
    def report(step: str) -> None:
        environment.events.host(drill.name, step)

    prober = context.prober
    assert prober is not None
    _await_connections(environment, context, prober)
    drill.prepare(context)
    settle_timeout = drill.settle_timeout(context)
    if not _wait(environment, context, lambda: drill.prepared(context), settle_timeout):
        raise HactlError(f"the preparation had no effect; {context.holders_text()}")
    report("measuring the noise floor")
    times.quiet = time.monotonic()
    _wait(environment, context, lambda: False, FLOOR_SECONDS)
    report("breaking")
    times.injected = drill.inject(context)
    context.mark("injected", times.injected)
    remaining = max(0.1, times.injected + drill.settle_timeout(context) - time.monotonic())
    if _wait(environment, context, lambda: drill.settled(context), remaining):
        times.settled = time.monotonic()
    _record_state(context, drill, times)
    until = max(times.injected + drill.seconds, (times.settled or 0.0) + SETTLED_SECONDS)
    _wait(environment, context, lambda: False, until - time.monotonic())
    report("undoing")
    times.undone = time.monotonic()
    context.mark("undone", times.undone)
    drill.undo(context)
    report("waiting for the return")
    times.recovered = _wait(environment, context, context.recovered, _return_timeout(context))
    _wait(environment, context, lambda: False, AFTERWARDS_SECONDS)


def _await_connections(environment: Environment, context: DrillContext, prober: Prober) -> None:
    if not _wait(environment, context, lambda: prober.established >= CONNECTIONS, CONNECT_TIMEOUT):
        raise HactlError(
            f"only {prober.established} of {CONNECTIONS} long-lived connections could be opened",
            "check that the front end serves, and that the real servers accept so many connections",
        )


def _record_state(context: DrillContext, drill: Drill, times: DrillTimes) -> None:
    times.holders = {vip: context.watch.holders(vip) for vip in context.vips}
    times.tables = {host: context.watch.latest(host).table for host in context.directors}
    if questions := drill.questions(context):
        times.answers = ask(context.client(), questions)


def _return_timeout(context: DrillContext) -> float:
    """Seconds until everything must be back: checks, a takeover, `preempt_delay`, a margin."""
    delays = [frontend.vrrp.preempt_delay or 0 for frontend in context.topology.frontends]
    slowest = max(frontend.crash_bound for frontend in context.topology.frontends)
    return max_return_time(context.frontend) + slowest + max(delays) + 12


def _wait(
    environment: Environment, context: DrillContext, condition: Callable[[], bool], seconds: float
) -> bool:
    """Whether the condition comes true in time.

    Raises HostError when the prober or a watched director is lost.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        time.sleep(min(remaining, 0.05))
        assert context.prober is not None
        context.prober.check()
        environment.watch.check()
    return True
