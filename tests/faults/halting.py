"""Halt a deploy at a step, release it, and wait for its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.faults.host import Host
from tests.faults.judge import KEPT, LEFT, NEW, OLD
from tests.faults.site import Run
from tests.faults.steps import Step
from tests.waiting import wait_until


def reach(host: Host, step: Step, start: Callable[[], Run]) -> Run:
    """Start a deploy; returns when the host halts at the step.

    Raises:
        AssertionError: the host did not reach the step.
    """
    host.arm(step)
    run = start()
    wait_until(lambda: host.halted() or run.has_ended(), 60, what=f"{step.name} is reached")
    assert host.halted(), f"{step.name} was never reached: {run.wait()}"
    if step.until:
        run.signal(signal.SIGSTOP)
        host.go()
        wait_until(lambda: host.waits(step.until), 30, what=f"the host waits, {step.until}")
    return run


def release(host: Host, run: Run) -> None:
    """Let the host go on, and the controller if it still runs."""
    host.go()
    run.signal(signal.SIGCONT)


def settle(states: Callable[[int], dict[str, str]], target: int, seconds: float) -> dict[str, str]:
    """The end states of the hosts: all expected ones, or the states after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        present = states(target)
        if set(present.values()) <= {OLD, NEW, LEFT, KEPT} or time.monotonic() > deadline:
            return present
        time.sleep(0.3)
