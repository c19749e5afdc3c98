"""The cells of the pairs: a fault at a step of a real deploy, and the checks after it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from tests.faults import strike
from tests.faults.halting import reach, release, settle
from tests.faults.judge import KEPT, LEFT, NEW, OLD, CommandResult, false_reports, gave_up
from tests.faults.outcome import Cell, Outcome, symbol
from tests.faults.probe import REQUEST_INTERVAL, REQUEST_TIMEOUT
from tests.faults.site import Site
from tests.faults.steps import BY_NAME, STEPS
from tests.faults.strike import FAULTS, Fault, Scene, SecondDeploy
from tests.faults.watching import Watch

FAILOVER_BOUND = 0.72
"""The failover bound of the sites in seconds: three adverts of 0.2 s and the skew (0.123 s).

RFC 5798 §6.1 defines both.
"""
PROBE_TOLERANCE = REQUEST_TIMEOUT + 2 * REQUEST_INTERVAL + 0.1
"""Seconds by which the probe may be late: a lost request, its interval, and a busy machine."""

KEEPALIVED_STEPS = ("change", "reload", "applied", "confirm")
"""The steps at which Keepalived is killed: around its reload."""

LEAVE_A_LOCK = (Cell("agent killed", "lock"), Cell("login killed", "lock"))
"""The host is locked and has no guard yet: the next deploy takes the lock."""

KEEP_COPIES = tuple(
    Cell("/etc read-only", step) for step in ("reload", "applied", "confirm", "kept")
)
"""Only the confirmation is left to do, which writes nothing to /etc."""

CELLS = tuple(
    Cell(fault.name, step.name)
    for fault in reversed(FAULTS)  # The longest come first.
    for step in STEPS
    if fault.strike is not strike.kill_keepalived or step.name in KEEPALIVED_STEPS
)


def run_cell(site: Site, watch: Watch, cell: Cell) -> Outcome:
    """Run one cell; the outcome has its `problems`."""
    outcome = Outcome(cell.fault, cell.step)
    fault, target = strike.BY_NAME[cell.fault], 1 - site.current
    started = time.monotonic()
    try:
        _run(site, fault, cell, target, outcome)
    except (AssertionError, LookupError) as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    outcome.problems += _next_deploy(site, fault, target)
    gap = watch.longest_gap(site.vip, started, time.monotonic())
    outcome.outage, outcome.seconds = round(gap * 1000), round(time.monotonic() - started, 1)
    if gap > FAILOVER_BOUND + PROBE_TOLERANCE:
        outcome.problems.append(
            f"the service was gone for {gap:.2f} s, one failover bound is {FAILOVER_BOUND} s"
        )
    return outcome


def _run(site: Site, fault: Fault, cell: Cell, target: int, outcome: Outcome) -> None:
    fault.prepare(site.victim)
    scene = Scene(site, target, reach(site.victim, BY_NAME[cell.step], lambda: site.start(target)))
    fault.strike(scene)
    release(scene.host, scene.run)
    result = scene.run.wait()
    fault.mend(scene)
    states = settle(site.states, target, fault.seconds)
    victim = site.victim.name
    outcome.code = result.code
    outcome.end = symbol(states[victim], result.message(victim))
    outcome.problems += problems(result, scene.second, states)
    for state in {LEFT, KEPT} & set(states.values()):
        if cell not in (LEAVE_A_LOCK if state == LEFT else KEEP_COPIES):
            outcome.problems.append(state)


def problems(
    result: CommandResult, second: SecondDeploy | None, states: Mapping[str, str]
) -> Iterator[str]:
    """The wrong end states, and the false reports of the deploy and of the second deploy."""
    for host, state in states.items():
        if state not in (OLD, NEW, LEFT, KEPT) and not gave_up(result.message(host)):
            yield f"{host} is neither as it was nor as intended:\n{state}"
    if second is None:
        yield from false_reports(result, states)
        return
    before = {host: [state] for host, state in second.before.items()}
    for host in before:
        # The second deploy only reports that the first holds the host, which may still change.
        if "locked by" in second.result.message(host):
            before[host].append(second.after[host])
    yield from false_reports(second.result, second.after, before)
    before_first = {host: (OLD, state) for host, state in second.after.items()}
    yield from false_reports(result, states, before_first)


def _next_deploy(site: Site, fault: Fault, target: int) -> Iterator[str]:
    """The next deploy must succeed and leave every host as intended."""
    site.victim.disarm()
    for problem in _deploy_problems(site, target):
        yield problem
        # Deploy again, so that the next cell does not suffer from this one.
        yield from _deploy_problems(site, target)
    try:
        fault.clear(site.victim)
        for host, state in settle(site.states, target, 10).items():
            if state != NEW:
                yield f"after the next deploy {host} is not as intended:\n{state}"
        site.await_holder()
    except AssertionError as error:
        yield str(error)


def _deploy_problems(site: Site, target: int) -> Iterator[str]:
    try:
        site.deploy(target)
    except AssertionError as error:
        yield str(error)
