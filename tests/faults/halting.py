"""A deploy is brought to a step, held there, let go, and waited for."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from tests.faults.host import Host, TooSlow, patiently
from tests.faults.judge import KEPT, LEFT, NEW, OLD
from tests.faults.site import Run
from tests.faults.steps import Step


def reach(host: Host, step: Step, start: Callable[[], Run]) -> Run:
    """Begin to deploy; returns when the host stands at the step. Raises TooSlow where it never does."""
    host.arm(step)
    run = start()
    patiently(f"{step.name} is reached", 60, lambda: host.halted() or run.has_ended())
    if not host.halted():
        raise TooSlow(f"{step.name} was never reached: {run.wait()}")
    if step.until:
        run.signal(signal.SIGSTOP)
        host.go()
        patiently(f"it waits, {step.until}", 30, lambda: host.waits(step.until))
    return run


def release(host: Host, run: Run) -> None:
    """Let host and controller go on, where there still is one."""
    host.go()
    run.signal(signal.SIGCONT)


def settle(states: Callable[[int], dict[str, str]], target: int, seconds: float) -> dict[str, str]:
    """How the hosts end: all OLD or NEW, or what is left after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = states(target)
        if set(found.values()) <= {OLD, NEW, LEFT, KEPT} or time.monotonic() > end:
            return found
        time.sleep(0.3)
