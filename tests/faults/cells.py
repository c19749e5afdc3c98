"""The cells of the pairs, and how one is run: a fault at a step of a real deploy, and what must be true after it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from tests.faults import strike
from tests.faults.halting import reach, release, settle
from tests.faults.host import patiently
from tests.faults.judge import KEPT, LEFT, NEW, OLD, Ended, gave_up, lies
from tests.faults.outcome import Cell, Outcome, symbol
from tests.faults.probe import EVERY, PATIENCE
from tests.faults.site import Site
from tests.faults.steps import BY_NAME, STEPS
from tests.faults.strike import FAULTS, Fault, Scene, Second
from tests.faults.watching import Watch

BOUND = 0.72
"""Seconds: one failover bound of the sites, three adverts of 0.2 s and the backup's skew (RFC 5798 §6.1), 0.123 s."""
SLACK = PATIENCE + 2 * EVERY + 0.1
"""Seconds by which the probe may be late: a request that is lost, its schedule, and a busy machine."""

OF_KEEPALIVED = ("change", "reload", "applied", "confirm")
"""Where Keepalived is killed: around its reload."""

LEAVE_A_LOCK = (Cell("agent killed", "lock"), Cell("login killed", "lock"))
"""Where the host is locked and the guard has not been started yet: the next deploy takes the lock."""

KEEP_COPIES = tuple(
    Cell("/etc read-only", step) for step in ("reload", "applied", "confirm", "kept")
)
"""Where all that is left to do is the confirmation, which writes nothing to /etc."""

CELLS = tuple(
    Cell(fault.name, step.name)
    for fault in reversed(FAULTS)  # the longest first
    for step in STEPS
    if fault.strike is not strike.kill_keepalived or step.name in OF_KEEPALIVED
)


def run_cell(site: Site, watch: Watch, cell: Cell) -> Outcome:
    """Run one cell; whatever is not as it must be is in the outcome's `problems`."""
    outcome = Outcome(cell.fault, cell.step)
    fault, target = strike.BY_NAME[cell.fault], 1 - site.current
    began = time.monotonic()
    try:
        _run(site, fault, cell, target, outcome)
    except (AssertionError, LookupError) as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    outcome.problems += _next_deploy(site, fault, target)
    gap = watch.longest_gap(site.vip, began, time.monotonic())
    outcome.outage, outcome.seconds = round(gap * 1000), round(time.monotonic() - began, 1)
    if gap > BOUND + SLACK:
        outcome.problems.append(
            f"the service was gone for {gap:.2f} s, one failover bound is {BOUND} s"
        )
    return outcome


def _run(site: Site, fault: Fault, cell: Cell, target: int, outcome: Outcome) -> None:
    fault.prepare(site.victim)
    scene = Scene(site, target, reach(site.victim, BY_NAME[cell.step], lambda: site.start(target)))
    fault.strike(scene)
    release(scene.host, scene.run)
    ended = scene.run.wait()
    fault.mend(scene)
    states = settle(site.states, target, fault.seconds)
    outcome.code, outcome.end = (
        ended.code,
        symbol(states[site.victim.name], ended.message(site.victim.name)),
    )
    outcome.problems += judged(ended, scene.second, states)
    for state in {LEFT, KEPT} & set(states.values()):
        if cell not in (LEAVE_A_LOCK if state == LEFT else KEEP_COPIES):
            outcome.problems.append(state)


def judged(ended: Ended, second: Second | None, states: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with how it ended, and with what it and the second deploy said."""
    for host, state in states.items():
        if state not in (OLD, NEW, LEFT, KEPT) and not gave_up(ended.message(host)):
            yield f"{host} is neither as it was nor as intended:\n{state}"
    if second is None:
        yield from lies(ended, states)
        return
    found = {host: [state] for host, state in second.before.items()}
    for host in (
        found
    ):  # of a host that the first holds and still works on, the second says no more than that
        found[host] += [second.after[host]] * ("locked by" in second.ended.message(host))
    yield from lies(second.ended, second.after, found)
    yield from lies(ended, states, {host: (OLD, state) for host, state in second.after.items()})


def _next_deploy(site: Site, fault: Fault, target: int) -> Iterator[str]:
    """The next deploy must succeed, and leave every host as intended; it goes on from there."""
    site.victim.disarm()
    for problem in _deployed(site, target):
        yield problem
        yield from _deployed(site, target)  # so that the next cell does not suffer from it
    try:
        fault.clear(site.victim)
        for host, state in settle(site.states, target, 10).items():
            if state != NEW:
                yield f"after the next deploy {host} is not as intended:\n{state}"
        patiently(
            f"{site.victim.name} holds {site.vip}", 20, lambda: site.holders() == [site.victim.name]
        )
    except AssertionError as error:
        yield str(error)


def _deployed(site: Site, target: int) -> Iterator[str]:
    try:
        site.deploy(target)
    except AssertionError as error:
        yield str(error)
