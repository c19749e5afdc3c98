"""Parallel jobs: their results in order, the first failure, and a wait that a signal ends."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from provision.hosts.parallel import PARALLEL, run_parallel


def test_the_results_come_in_the_order_of_the_items() -> None:
    def slowest_first(number: int) -> int:
        time.sleep(0.01 * (3 - number))
        return number

    assert run_parallel(slowest_first, range(3)) == [0, 1, 2]
    assert run_parallel(str, ()) == []


def test_all_of_them_are_done_and_no_more_at_a_time_than_agreed() -> None:
    working, most = [0], [0]
    lock = threading.Lock()

    def job(_: int) -> None:
        with lock:
            working[0] += 1
            most[0] = max(most[0], working[0])
        time.sleep(0.01)
        with lock:
            working[0] -= 1

    assert len(run_parallel(job, range(3 * PARALLEL))) == 3 * PARALLEL
    assert 1 < most[0] <= PARALLEL


def test_what_a_job_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_parallel(lambda number: 1 // number, (1, 0))


def test_an_interrupt_waits_for_nobody_and_nothing_more_begins() -> None:
    begun: list[int] = []
    silent = threading.Event()

    def job(number: int) -> None:
        begun.append(number)
        silent.wait(30)

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_parallel(job, range(2 * PARALLEL))
    assert time.monotonic() - began < 2
    silent.set()
    time.sleep(0.1)
    assert len(begun) == PARALLEL
