"""Jobs on many hosts in parallel. A Ctrl-C does not wait for a host that is silent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

PARALLEL = 32
"""Maximum number of hosts at work at the same time.

A host costs the controller 3 ms of processor time. sshd's MaxStartups counts for each host alone.
"""

AWAKE = 0.2
"""Seconds after which a wait checks for a signal.

CPython does not end a wait for a signal that came just as the wait began.
"""

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_parallel(job: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of `job` for all items, in their order. PARALLEL jobs run at a time.

    The first error of a job is raised. It ends the wait at once, as a KeyboardInterrupt does. No
    other job begins then. Running jobs continue in the background while the process lives.
    """
    todo: SimpleQueue[tuple[int, Item]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Callable[[], Result]]] = SimpleQueue()
    for indexed_item in enumerate(items):
        todo.put(indexed_item)
    count, stopped = todo.qsize(), threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                index, item = todo.get_nowait()
            except Empty:
                return
            done.put((index, _outcome(job, item)))

    for _ in range(min(count, PARALLEL)):
        threading.Thread(target=work, daemon=True, name="hosts").start()
    results: dict[int, Result] = {}
    try:
        while len(results) < count:
            try:
                index, outcome = done.get(timeout=AWAKE)
            except Empty:
                continue
            results[index] = outcome()
    finally:
        stopped.set()
    return [results[index] for index in range(count)]


def _outcome(job: Callable[[Item], Result], item: Item) -> Callable[[], Result]:
    """Run the job. Return a function that returns the job's result or raises its error."""
    try:
        result = job(item)
    except BaseException as error:
        raised = error

        def fail() -> Result:
            raise raised

        return fail
    return lambda: result
